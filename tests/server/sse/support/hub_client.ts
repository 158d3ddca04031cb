/** A client of a hub under torture, that knows what it must get: what was published after its position, or a gap. */
import { assert, assertEquals } from "@std/assert";
import type { Prng } from "../../../../io/testing/prng.ts";
import type { BodyProducer } from "../../../../server/body_writer.ts";
import type { FakeWriter } from "./fake_writer.ts";

/** An event that the log took. */
export interface Published {
  readonly id: string;
  readonly data: string;
}

/** Where a client wants to begin. */
export interface Position {
  /** Last event id; empty for none. */
  readonly id: string;
  readonly from: "now" | "start";
}

/** See the file's text. */
export class HubClient {
  readonly topic: string;
  /** Events it got so far. */
  seen = 0;
  readonly #published: readonly Published[];
  readonly #keepsAll: boolean;
  #writer: FakeWriter | null = null;
  #producer: BodyProducer | null = null;
  /** What it would come back with. */
  #lastEventId = "";
  /** Messages of the connection that were checked. */
  #checked = 0;
  /** Which event is next; `null` when that is not known, since it came with a strange id. */
  #next: number | null = 0;
  /** Whether the last thing it got was a gap, or its id was strange. */
  #isAfterGap = false;
  #isStrange = false;

  /** @param topic what it reads @param published what the log took of it @param keepsAll whether the log trims nothing */
  constructor(topic: string, published: readonly Published[], keepsAll: boolean) {
    this.topic = topic;
    this.#published = published;
    this.#keepsAll = keepsAll;
  }

  get isOff(): boolean {
    return this.#writer === null || this.#writer.ended !== null;
  }

  get bufferedBytes(): number {
    return this.#writer?.bufferedBytes ?? 0;
  }

  /** Whether something waits for it. */
  get hasMore(): boolean {
    return !this.isOff && (this.bufferedBytes > 0 || this.#writer!.isPaused);
  }

  /** Where it wants to begin, mostly where it was. @param strange an id that it may bring instead */
  position(prng: Prng, strange: string): Position {
    this.#check();
    this.#writer = null;
    if (prng.chance(0.1)) return { id: strange, from: "now" };
    if (this.#lastEventId !== "" && prng.chance(0.9)) return { id: this.#lastEventId, from: "now" };
    return { id: "", from: prng.chance(0.5) ? "now" : "start" };
  }

  /** Its stream begins. */
  begin(writer: FakeWriter, producer: BodyProducer, { id, from }: Position): void {
    this.#writer = writer;
    this.#producer = producer;
    this.#checked = 0;
    this.#isStrange = id !== "" && (id !== this.#lastEventId || this.#next === null);
    // From the start is from what is kept.
    this.#isAfterGap = id === ""
      ? from === "start" && !this.#keepsAll
      : id === this.#lastEventId && this.#isAfterGap;
    if (this.#isStrange) this.#next = null;
    else if (id === "") this.#next = from === "start" ? 0 : this.#published.length;
    this.#lastEventId = id;
  }

  take(bytes: number): void {
    this.#writer?.take(bytes);
    this.#check();
  }

  leave(): void {
    this.#writer?.leave();
    this.#check();
  }

  /** The server begins to stop. */
  drain(): void {
    if (!this.isOff) this.#producer!.onDraining?.();
  }

  /** It took all: it must have got everything, if its stream goes on. */
  checkComplete(): void {
    this.#check();
    if (this.isOff) return;
    if (this.#next === null || (this.#isAfterGap && !this.#keepsAll)) return; // nothing is kept of what it missed
    assertEquals(this.#next, this.#published.length, `${this.topic}: the end is missing`);
  }

  #check(): void {
    const writer = this.#writer;
    if (writer === null) return;
    for (const { event, data, lastEventId } of writer.messages.slice(this.#checked)) {
      this.#checked++;
      if (event === "gap") {
        const { reason } = JSON.parse(data);
        assert(
          this.#isStrange || !this.#keepsAll,
          `${this.topic}: a gap (${reason}) where nothing was trimmed`,
        );
        this.#isAfterGap = true;
        continue;
      }
      this.seen++;
      const at = this.#published.findLastIndex((one) => one.id === lastEventId && one.data === data);
      assert(at >= 0, `${this.topic}: ${data} was never published`);
      if (this.#next !== null) {
        const isRight = this.#isAfterGap ? this.#isStrange || at >= this.#next : at === this.#next;
        assert(isRight, `${this.topic}: event ${at} where ${this.#next} was due`);
      }
      this.#next = at + 1;
      this.#isAfterGap = false;
      this.#isStrange = false;
    }
    this.#lastEventId = writer.lastEventId;
  }
}
