// Rewrites a batch of documents, in any home of JavaScript.
//
//   rewriteAll(rewrite, text) -> JSON text of a list of documents in base64
//
// rewrite is `marked` (marking.js) or `scanned` (scanning.js); text is JSON: {fills, documents:
// [[base64 of each chunk]]}.  Slots named "keep" stay with an attribute, "no" is left alone, others
// are filled; without `fills` all are left alone.
const bytes = (text) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));

const base64 = (pieces) => {
  let text = "";
  for (const piece of pieces) for (const byte of piece) text += String.fromCharCode(byte);
  return btoa(text);
};

const fill = (placement) => {
  if (placement === "" || placement === "no") return null;
  if (placement === "keep") return { attributes: [["data-kept", "1"]], content: null, after: "" };
  return { attributes: [["data-filled", placement]], content: `[${placement}]`, after: "" };
};

const streamOf = (chunks) => new ReadableStream({
  start(controller) {
    for (const chunk of chunks) if (chunk) controller.enqueue(bytes(chunk));
    controller.close();
  },
});

export async function rewriteAll(rewrite, text) {
  const { fills, documents } = JSON.parse(text), slots = { fill: fills ? fill : () => null }, out = [];
  for (const chunks of documents) {
    const pieces = [];
    for await (const piece of rewrite(streamOf(chunks), slots)) pieces.push(piece);
    out.push(base64(pieces));
  }
  return JSON.stringify(out);
}
