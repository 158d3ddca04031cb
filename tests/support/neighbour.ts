/**
 * Another client of a server that is being pushed to one of its bounds, and what the server counted meanwhile.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import type { ServerStats } from "../../server/server_stats.ts";
import { type MemoryClient, type MemoryHttp, parseResponse } from "./memory_http.ts";

/** The path that the neighbour asks for. */
export const NEIGHBOUR_PATH = "/neighbour";

/** A client that does nothing wrong, and must not notice what others do. */
export class Neighbour {
  readonly #http: MemoryHttp;
  readonly #client: MemoryClient;

  private constructor(http: MemoryHttp, client: MemoryClient) {
    this.#http = http;
    this.#client = client;
  }

  /** Moves in, and is served. @param http the server @param preface what is due before the first request */
  static async join(http: MemoryHttp, preface = ""): Promise<Neighbour> {
    const client = await http.connect();
    client.send(preface);
    const neighbour = new Neighbour(http, client);
    await neighbour.isServed();
    return neighbour;
  }

  /** Asserts that a request is answered, on the connection it has had from the beginning, which then stays open. */
  async isServed(): Promise<void> {
    this.#client.send(`GET ${NEIGHBOUR_PATH} HTTP/1.1\r\nHost: a\r\n\r\n`);
    await this.#http.settle();
    const { status, body, rest, headers } = parseResponse(this.#client.take());
    assertEquals([status, body, rest], [200, "well", ""], "the neighbour is not served");
    assertEquals(headers.get("connection"), null, "the neighbour was told to leave");
    assertEquals(this.#client.end, "open", "the neighbour was cut off");
  }
}

/** Every counter of a bound that is not zero, by its name. */
export function boundsReached(stats: ServerStats): Record<string, number> {
  const { connectionsRefused, connectionsRefusedByAddress, limitsReached, deadlinesPassed, peerErrors } =
    stats;
  const all: Record<string, number> = { connectionsRefused, connectionsRefusedByAddress, ...peerErrors };
  for (const [name, count] of Object.entries(limitsReached)) all[`limitsReached.${name}`] = count;
  for (const [name, count] of Object.entries(deadlinesPassed)) all[`deadlinesPassed.${name}`] = count;
  return Object.fromEntries(Object.entries(all).filter(([, count]) => count !== 0));
}
