/** Python in a web worker, for later views: the files that servers run, under Pyodide. */
import type { Decide, Decided, Page } from "./index.js";
import type { RequestFields } from "./kernel.js";

export interface PythonFiles {
  /** Address of pythonWorker.js. */
  worker: string;
  /** Folder of npm's `pyodide`, ending with "/". */
  pyodide: string;
  /** A faster standard library (.pyc), or Pyodide's own. */
  stdlib?: string;
  /** Wheels: msgspec's for Pyodide, and edge's own (`make pyodide-wheel`). */
  archives: string[];
  bundle: Uint8Array;
  manifest: Uint8Array;
}

export interface Python {
  /** Rejects with Python's own error for a request that is none. */
  decide(request: RequestFields): Promise<Decided[]>;
  /** Milliseconds of the start, also in the Performance timeline as "proffer-python". */
  started: { runtime_ms: number; files_ms: number; policy_ms: number };
  close(): void;
}

/** Waits until the page has loaded and is idle; rejects if it cannot start. */
export function startPython(files: PythonFiles): Promise<Python>;
export function askPython(page: Page, python: Python): Decide;
