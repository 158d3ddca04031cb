/**
 * Files and folders as responses.
 *
 * Known limit of the stand-in: no directory listing; entity tags differ in value from the published package's.
 */

import { extname, join, normalize } from "node:path/posix";
import { STATUS_CODE, STATUS_TEXT, type StatusCode } from "./status.ts";

/** Types of the endings that tests serve. */
const CONTENT_TYPES: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=UTF-8",
  ".html": "text/html; charset=UTF-8",
  ".js": "text/javascript; charset=UTF-8",
  ".json": "application/json; charset=UTF-8",
  ".md": "text/markdown; charset=UTF-8",
  ".svg": "image/svg+xml; charset=UTF-8",
  ".ts": "video/mp2t",
  ".txt": "text/plain; charset=UTF-8",
};

/** What `serveFile` takes besides the path. */
export interface ServeFileOptions {
  /** The file's information, if the caller has it already. */
  fileInfo?: Deno.FileInfo;
  /** Headers to add, each as `name: value`. */
  headers?: string[];
}

/** What `serveDir` takes besides the request. */
export interface ServeDirOptions extends Pick<ServeFileOptions, "headers"> {
  /** The folder that is served; the current one unless given. */
  fsRoot?: string;
  /** The start of the path that is not part of the file's name. */
  urlRoot?: string;
  /** Whether a folder is answered with its `index.html`; true unless given. */
  showIndex?: boolean;
  /** Whether names that begin with a dot are served; false unless given. */
  showDotfiles?: boolean;
  /** Whether any origin may read the answers; false unless given. */
  enableCors?: boolean;
  /** Whether requests are not logged; false unless given. */
  quiet?: boolean;
}

function plain(status: StatusCode, headers?: HeadersInit): Response {
  const bodiless = status === STATUS_CODE.NotModified;
  const init = { status, statusText: STATUS_TEXT[status], ...(headers && { headers }) };
  return new Response(bodiless ? null : STATUS_TEXT[status], init);
}

/** Answers with a file: 200, 206 for a range of bytes, 304 when the client has it, 404, 405 or 416. */
export async function serveFile(
  req: Request,
  filePath: string,
  options: ServeFileOptions = {},
): Promise<Response> {
  if (req.method !== "GET" && req.method !== "HEAD") {
    return plain(STATUS_CODE.MethodNotAllowed);
  }
  let info: Deno.FileInfo;
  try {
    info = options.fileInfo ?? await Deno.stat(filePath);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return plain(STATUS_CODE.NotFound);
    throw error;
  }
  if (info.isDirectory) return plain(STATUS_CODE.NotFound);
  const etag = `W/"${info.size}-${info.mtime?.getTime() ?? 0}"`;
  const headers = new Headers({ "accept-ranges": "bytes", etag });
  const type = CONTENT_TYPES[extname(filePath)];
  if (type) headers.set("content-type", type);
  if (info.mtime) headers.set("last-modified", info.mtime.toUTCString());
  if (isFresh(req, info, etag)) return plain(STATUS_CODE.NotModified, headers);
  const range = rangeOf(req.headers.get("range"), info.size);
  if (range === "unsatisfiable") {
    return plain(STATUS_CODE.RangeNotSatisfiable, { "content-range": `bytes */${info.size}` });
  }
  const { start, end } = range ?? { start: 0, end: info.size - 1 };
  const status = range ? STATUS_CODE.PartialContent : STATUS_CODE.OK;
  if (range) headers.set("content-range", `bytes ${start}-${end}/${info.size}`);
  headers.set("content-length", String(end - start + 1));
  const body = req.method === "HEAD" ? null : await slice(filePath, start, end + 1);
  return new Response(body, { status, statusText: STATUS_TEXT[status], headers });
}

/** RFC 9110 §13.1.2 and §13.1.3: an entity tag outranks a date. */
function isFresh(req: Request, info: Deno.FileInfo, etag: string): boolean {
  const tags = req.headers.get("if-none-match");
  if (tags !== null) return tags === "*" || tags.split(",").some((tag) => tag.trim() === etag);
  const since = Date.parse(req.headers.get("if-modified-since") ?? "");
  return info.mtime !== null && !Number.isNaN(since) && info.mtime.getTime() < since + 1_000;
}

/** RFC 9110 §14.1.2: `bytes=2-5`, `bytes=2-`, `bytes=-3`. Anything else is ignored. */
function rangeOf(
  header: string | null,
  size: number,
): { start: number; end: number } | "unsatisfiable" | null {
  const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(header ?? "") ?? [];
  if (first === undefined || last === undefined || first + last === "") return null;
  const start = first === "" ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === "" || last === "" ? size - 1 : Math.min(Number(last), size - 1);
  return start > end || start >= size ? "unsatisfiable" : { start, end };
}

async function slice(filePath: string, start: number, end: number): Promise<ReadableStream<Uint8Array>> {
  const file = await Deno.open(filePath);
  if (start > 0) await file.seek(start, Deno.SeekMode.Start);
  let left = end - start;
  return file.readable.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        controller.enqueue(chunk.subarray(0, left));
        left -= Math.min(left, chunk.length);
        if (left === 0) controller.terminate();
      },
    }),
  );
}

/** Answers with the files of a folder. */
export async function serveDir(req: Request, opts: ServeDirOptions = {}): Promise<Response> {
  const response = await fileIn(req, opts);
  if (opts.enableCors) response.headers.append("access-control-allow-origin", "*");
  for (const header of opts.headers ?? []) {
    const colon = header.indexOf(":");
    response.headers.append(header.slice(0, colon), header.slice(colon + 1).trim());
  }
  return response;
}

async function fileIn(req: Request, opts: ServeDirOptions): Promise<Response> {
  if (req.method !== "GET" && req.method !== "HEAD") {
    return plain(STATUS_CODE.MethodNotAllowed);
  }
  const url = new URL(req.url);
  let path: string;
  try {
    path = normalize(decodeURIComponent(url.pathname));
  } catch {
    return plain(STATUS_CODE.BadRequest); // a malformed escape
  }
  if (opts.urlRoot && !path.startsWith(`/${opts.urlRoot}`)) return plain(STATUS_CODE.NotFound);
  if (opts.urlRoot) path = path.slice(opts.urlRoot.length + 1);
  if (!opts.showDotfiles && /\/\./.test(path)) return plain(STATUS_CODE.NotFound);
  const file = join(opts.fsRoot ?? ".", path);
  let info: Deno.FileInfo;
  try {
    info = await Deno.stat(file);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return plain(STATUS_CODE.NotFound);
    throw error;
  }
  if (!info.isDirectory) return await serveFile(req, file, { fileInfo: info });
  if (!url.pathname.endsWith("/")) {
    return plain(STATUS_CODE.MovedPermanently, { location: `${url.origin}${url.pathname}/${url.search}` });
  }
  return opts.showIndex === false
    ? plain(STATUS_CODE.NotFound)
    : await serveFile(req, join(file, "index.html"));
}
