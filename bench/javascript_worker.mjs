// The other side of bench/javascript_worker.py, in a process of its own.
//
//   node javascript_worker.mjs control <folder>      serves the folder's files, takes events
//   node javascript_worker.mjs load                  asks servers as fast as they answer
//
// Each says {"ready": port or true} as a line of JSON.  `load` then reads questions line by line,
//   {"port", "seconds", "connections", "requests": [base64]}
// and answers {"answers", "seconds", "statuses": {status: count}, "first": text of one answer}.
import fs from "node:fs";
import http from "node:http";
import net from "node:net";
import path from "node:path";
import readline from "node:readline";

const say = (value) => process.stdout.write(JSON.stringify(value) + "\n");

const control = (folder) => {
  const server = http.createServer((request, response) => {
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      if (request.method === "POST") {
        const { length } = JSON.parse(Buffer.concat(chunks));
        return response.end(JSON.stringify({ accepted: length, duplicates: 0, quarantined: 0 }));
      }
      const file = path.join(folder, request.url.slice("/v1/".length));
      if (!fs.existsSync(file)) response.statusCode = 404;
      response.end(fs.existsSync(file) ? fs.readFileSync(file) : "");
    });
  });
  server.listen(0, "127.0.0.1", () => say({ ready: server.address().port }));
};

// One connection: a request, its answer, the next one.  Answers have a Content-Length, or are chunked
// and end with the last chunk in one piece.
const converse = (port, next, onAnswer, isOver) => new Promise((resolve, reject) => {
  const socket = net.connect(port, "127.0.0.1");
  let text = "";
  socket.setNoDelay(true);
  socket.setEncoding("latin1");
  socket.on("connect", () => socket.write(next()));
  socket.on("error", reject);
  socket.on("data", (piece) => {
    text += piece;
    const end = text.indexOf("\r\n\r\n");
    if (end < 0) return;
    const size = /content-length: (\d+)/i.exec(text.slice(0, end));
    const isWhole = size ? text.length >= end + 4 + Number(size[1]) : text.endsWith("0\r\n\r\n");
    if (!isWhole) return;
    onAnswer(text);
    text = "";
    if (isOver()) {
      socket.destroy();
      resolve();
    } else socket.write(next());
  });
});

const load = async ({ port, seconds, connections, requests }) => {
  const bytes = requests.map((text) => Buffer.from(text, "base64")), statuses = {};
  let asked = 0, answers = 0, first = "";
  const begin = performance.now(), endMs = begin + 1000 * seconds;
  const next = () => bytes[asked++ % bytes.length];
  const onAnswer = (text) => {
    answers++;
    first ||= text;
    const status = text.slice(9, 12);
    statuses[status] = (statuses[status] ?? 0) + 1;
  };
  const isOver = () => performance.now() >= endMs;
  await Promise.all(Array.from({ length: connections }, () => converse(port, next, onAnswer, isOver)));
  return { answers, seconds: (performance.now() - begin) / 1000, statuses, first };
};

if (process.argv[2] === "control") control(process.argv[3]);
else {
  say({ ready: true });
  for await (const line of readline.createInterface({ input: process.stdin })) say(await load(JSON.parse(line)));
  process.exit(0);
}
