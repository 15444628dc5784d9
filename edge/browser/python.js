// Python for later views; apart from the rest, since few pages want it.
export { askPython } from "./lib/askPython.js";
export { startPython } from "./lib/startPython.js";
