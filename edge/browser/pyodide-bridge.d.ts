/** What `edge.kernel.bridge.Bridge` takes: lets Python in Pyodide decide with the kernel. */
import type { Kernel } from "./kernel.js";

export function bridge(kernel: Kernel): object;
