/** Somebody who follows a job's story, breaks off, and comes back with the last id it saw. */
import { assert, assertEquals } from "@std/assert";
import type { BodyProducer } from "../../../../server/body_writer.ts";
import type { Jobs } from "../../../../server/jobs/jobs.ts";
import { rawReply } from "../../../../server/reply.ts";
import { FakeWriter } from "../../sse/support/fake_writer.ts";
import type { Told } from "./story_check.ts";

/** See the file's text. */
export class StoryReader {
  readonly id: string;
  /** What it got, over all connections. */
  readonly seen: Told[] = [];
  #lastEventId = "";
  #writer: FakeWriter | null = null;
  #isConnecting = false;
  /** Whether it was told that there is nothing more. */
  #isTold = false;

  /** @param id the job */
  constructor(id: string) {
    this.id = id;
  }

  /** Whether it may connect. */
  get isOff(): boolean {
    return !this.#isConnecting && (this.#writer === null || this.#writer.ended !== null);
  }

  /** Comes, or comes back. */
  async connect(jobs: Jobs): Promise<void> {
    this.#collect();
    this.#isConnecting = true;
    try {
      const headers = this.#lastEventId === "" ? {} : { "last-event-id": this.#lastEventId };
      const response = await jobs.subscribe(new Request("http://a/", { headers }), this.id);
      if (response.status === 204) this.#isTold = true;
      if ([204, 410, 503].includes(response.status)) return; // it has all, or it is not kept, or the hub is closed
      assertEquals(response.status, 200);
      const producer = rawReply(response)!.body as BodyProducer;
      this.#writer = new FakeWriter(producer, {
        takesAll: false,
        highBytes: 300,
        lastEventId: this.#lastEventId,
      });
      producer.start(this.#writer);
    } finally {
      this.#isConnecting = false;
    }
  }

  /** Takes so many bytes. */
  take(bytes: number): void {
    this.#writer?.take(bytes);
  }

  /** Breaks off. */
  leave(): void {
    this.#writer?.leave();
  }

  /** The story is over and told: reads what is left of it, and is told that it is over, there where it is and when it comes back. */
  async readAll(jobs: Jobs, story: readonly Told[], turn: () => Promise<void>): Promise<void> {
    const writer = this.#writer;
    if (writer !== null && writer.ended === null) {
      for (let before = -1; before !== writer.text.length;) {
        before = writer.text.length;
        writer.take(Infinity);
        await turn();
      }
      assertEquals(writer.ended, "end", `a reader of job ${this.id} is not told that its story is over`);
    }
    for (let tries = 0; tries < 3 && !this.#isTold; tries++) {
      await this.connect(jobs);
      await turn();
      this.#writer?.take(Infinity);
      await turn();
      this.#writer?.take(Infinity);
      if (story.length === 0) return;
    }
    assert(this.#isTold, "it is not told that it has everything");
    assertEquals(this.seen, story, `what a reader of job ${this.id} got`);
  }

  #collect(): void {
    const writer = this.#writer;
    if (writer === null) return;
    this.#writer = null;
    for (const { event, data } of writer.messages) this.seen.push({ event, data });
    this.#lastEventId = writer.lastEventId;
  }
}
