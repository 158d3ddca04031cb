import { assert } from "@std/assert";
import { isAftermath } from "../../server/aftermath.ts";

Deno.test("an error follows from the reason if it is that, is caused by it, or says that it was aborted", () => {
  const reason = new Error("the client left");
  assert(isAftermath(reason, reason));
  assert(isAftermath(new Error("a", { cause: new Error("b", { cause: reason }) }), reason));
  assert(isAftermath(new DOMException("stop", "AbortError"), null));
});

Deno.test("any other error is news", () => {
  const reason = new Error("the client left");
  for (
    const error of [new Error("the client left"), new Error("a", { cause: "the client left" }), null, "text"]
  ) {
    assert(!isAftermath(error, reason));
    assert(!isAftermath(error, null));
  }
});

Deno.test("an error that is its own cause is news, too, and keeps nobody", () => {
  const error = new Error("round and round");
  error.cause = error;
  assert(!isAftermath(error, new Error("the client left")));
});
