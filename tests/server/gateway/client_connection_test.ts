import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import {
  GatewayClosedError,
  UpstreamClosedError,
  UpstreamHeadTooLargeError,
  UpstreamProtocolError,
  UpstreamTimeoutError,
} from "../../../server/gateway/errors.ts";
import { RESPONSE_LIMITS_DEFAULT } from "../../../server/http1/limits.ts";
import { beginGet, GET, OK, Recorder, withConnection } from "./connection_stage.ts";

Deno.test("an exchange passes on head, body and end, then what the read brought is over", async () => {
  await withConnection({}, async (stage) => {
    const recorder = await beginGet(stage);
    stage.peer.send(OK);
    await stage.settle();
    assertEquals(recorder.log, ["head 200", "body hi", "end", "read"]);
    assertEquals(stage.owner.log, ["open", "idle"]);
    assert(stage.connection.isIdle);
  });
});

Deno.test("a connection carries one exchange after another, and knows that it was used", async () => {
  await withConnection({}, async (stage) => {
    for (let i = 0; i < 3; i++) {
      const recorder = await beginGet(stage);
      assertEquals(stage.connection.isReused, i > 0);
      stage.peer.send(OK);
      await stage.settle();
      assertEquals(recorder.log, ["head 200", "body hi", "end", "read"]);
    }
    assertEquals(stage.owner.log, ["open", "idle", "idle", "idle"]);
  });
});

Deno.test("a second exchange at the same time is a mistake", async () => {
  await withConnection({}, async (stage) => {
    await beginGet(stage);
    assertThrows(
      () => stage.connection.begin(new Recorder(), "GET", GET, "none", false),
      TypeError,
      "not idle",
    );
  });
});

Deno.test("a chunked request body is framed, with its trailers", async () => {
  await withConnection({}, async ({ connection, peer, settle, owner }) => {
    const recorder = new Recorder();
    connection.begin(recorder, "POST", "POST / HTTP/1.1\r\n\r\n", "chunked", false);
    connection.send(new TextEncoder().encode("hello"));
    connection.endSend([["x-sum", "1"]]);
    assertEquals(
      await peer.until("x-sum: 1\r\n\r\n"),
      "POST / HTTP/1.1\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n",
    );
    peer.send(OK);
    await settle();
    assertEquals(owner.log, ["open", "idle"]);
  });
});

/** What makes a connection unfit for another exchange although the response was whole. */
const NOT_KEPT: Readonly<Record<string, string>> = {
  "the upstream says close": "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi",
  "it is HTTP/1.0 without keep-alive": "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",
  "bytes follow the response": OK + "x",
  "a second response follows": OK + OK,
  "the upstream keeps it for too short a time":
    "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1\r\nContent-Length: 2\r\n\r\nhi",
};

for (const [why, response] of Object.entries(NOT_KEPT)) {
  Deno.test(`the connection is closed after a whole response when ${why}`, async () => {
    await withConnection({}, async (stage) => {
      const recorder = await beginGet(stage);
      stage.peer.send(response);
      await stage.settle();
      assertEquals(recorder.log, ["head 200", "body hi", "end", "read"]);
      assertEquals(stage.owner.log, ["open", "closed"]);
    });
  });
}

Deno.test("a response before the request's end is taken, and the connection is not used again", async () => {
  await withConnection({}, async ({ connection, peer, settle, owner }) => {
    const recorder = new Recorder();
    connection.begin(recorder, "POST", "POST / HTTP/1.1\r\n\r\n", "length", false);
    await peer.until("\r\n\r\n");
    peer.send(OK);
    await settle();
    assertEquals(recorder.log, ["head 200", "body hi", "end", "read"]);
    assertEquals(owner.log, ["open", "closed"]);
  });
});

Deno.test("a body without a length ends with the connection", async () => {
  await withConnection({}, async (stage) => {
    const recorder = await beginGet(stage);
    stage.peer.send("HTTP/1.1 200 OK\r\n\r\nabc");
    await stage.settle();
    assertEquals(recorder.log, ["head 200", "body abc", "read"]);
    stage.peer.transport.close();
    await stage.settle();
    assertEquals(recorder.log, ["head 200", "body abc", "read", "end", "read"]);
    assertEquals(stage.owner.log, ["open", "closed"]);
  });
});

Deno.test("a body without a length that ends with a reset has failed", async () => {
  await withConnection({}, async (stage) => {
    const recorder = await beginGet(stage);
    stage.peer.send("HTTP/1.1 200 OK\r\n\r\nabc");
    await stage.settle();
    stage.peer.transport.abort();
    await stage.settle();
    assertEquals(recorder.log, ["head 200", "body abc", "read", "failed"]);
    assertInstanceOf(recorder.error, UpstreamClosedError);
  });
});

/** How an upstream can break off, and what it had said before. */
const BROKEN_OFF: Readonly<Record<string, readonly [said: string, isAnswered: boolean]>> = {
  "before a byte": ["", false],
  "in the head": ["HTTP/1.1 200 O", true],
  "in a body with a length": ["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi", true],
  "in a chunked body": ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", true],
};

for (const [where, [said, isAnswered]] of Object.entries(BROKEN_OFF)) {
  for (const how of ["close", "abort"] as const) {
    Deno.test(`an upstream that breaks off ${where} by ${how} fails the exchange`, async () => {
      await withConnection({}, async (stage) => {
        const recorder = await beginGet(stage);
        if (said !== "") stage.peer.send(said);
        await stage.settle();
        stage.peer.transport[how]();
        await stage.settle();
        assertEquals(recorder.log.at(-1), "failed");
        assert(!recorder.log.includes("end"));
        assertInstanceOf(recorder.error, UpstreamClosedError);
        assertEquals(recorder.error.isAnswered, isAnswered);
        assertEquals(stage.owner.log, ["open", "closed"]);
      });
    });
  }
}

Deno.test("what is no HTTP fails the exchange and resets the connection", async () => {
  await withConnection({}, async (stage) => {
    const recorder = await beginGet(stage);
    stage.peer.send("SSH-2.0-OpenSSH_9\r\n");
    await stage.settle();
    assertInstanceOf(recorder.error, UpstreamProtocolError);
    assert(await stage.peer.closedReason !== null);
  });
});

Deno.test("a head above the limits fails the exchange with an error of its own", async () => {
  const limits = { ...RESPONSE_LIMITS_DEFAULT, headerBytesMax: 100 };
  await withConnection({ limits }, async (stage) => {
    const recorder = await beginGet(stage);
    stage.peer.send(`HTTP/1.1 200 OK\r\nx: ${"y".repeat(200)}\r\n\r\n`);
    await stage.settle();
    assertInstanceOf(recorder.error, UpstreamHeadTooLargeError);
  });
});

Deno.test("an upgrade nobody asked for fails the exchange", async () => {
  await withConnection({}, async (stage) => {
    const recorder = await beginGet(stage);
    stage.peer.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
    await stage.settle();
    assertInstanceOf(recorder.error, UpstreamProtocolError);
  });
});

Deno.test("bytes on an idle connection answer nothing: it is reset", async () => {
  await withConnection({}, async (stage) => {
    stage.peer.send("HTTP/1.1 408 Request Timeout\r\n\r\n");
    await stage.settle();
    assert(!stage.connection.isIdle);
    assert(await stage.peer.closedReason !== null);
    assertEquals(stage.owner.log, ["open", "closed"]);
  });
});

Deno.test("an idle connection that the upstream closes cannot be used from the moment its FIN is seen", async () => {
  await withConnection({}, async (stage) => {
    stage.peer.transport.close();
    await stage.settle();
    assert(!stage.connection.isIdle);
    assertEquals(stage.owner.log, ["open", "closed"]);
  });
});

Deno.test("interim responses are passed on, 100 only as the answer to an expectation", async () => {
  await withConnection({}, async (stage) => {
    const recorder = await beginGet(stage);
    stage.peer.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK);
    await stage.settle();
    assertEquals(recorder.log, ["interim 103", "head 200", "body hi", "end", "read"]);
  });
});

Deno.test("100 Continue asks for the body, once", async () => {
  await withConnection({}, async ({ connection, peer, settle }) => {
    const recorder = new Recorder();
    connection.begin(recorder, "POST", "POST / HTTP/1.1\r\n\r\n", "length", true);
    await peer.until("\r\n\r\n");
    peer.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n");
    await settle();
    assertEquals(recorder.log, ["continue", "read"]);
  });
});

/** How an upstream may answer before it was sent the body it might have asked for, and what comes of it. */
const EARLY_ANSWERS: Readonly<Record<string, readonly [string, readonly string[]]>> = {
  "keeps the connection and has more to say gets the body": [
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n",
    ["head 200", "read", "continue"],
  ],
  "ends the connection does not get it": [
    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n",
    ["head 200", "read"],
  ],
  "refuses does not get it": [
    "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\n",
    ["head 403", "read"],
  ],
  "has answered to the end does not get it": [OK, ["head 200", "body hi", "end", "read"]],
};

for (const [how, [answer, log]] of Object.entries(EARLY_ANSWERS)) {
  Deno.test(`without 100 Continue, an upstream that ${how}`, async () => {
    await withConnection({}, async ({ connection, clock, peer, settle }) => {
      const recorder = new Recorder();
      connection.begin(recorder, "POST", "POST / HTTP/1.1\r\n\r\n", "length", true);
      await peer.until("\r\n\r\n");
      peer.send(answer);
      await settle();
      await clock.advance(2_000);
      assertEquals(recorder.log, log);
    });
  });
}

Deno.test("an upstream that does not know expectations gets the body after a while", async () => {
  await withConnection({}, async ({ clock, connection, peer }) => {
    const recorder = new Recorder();
    connection.begin(recorder, "POST", "POST / HTTP/1.1\r\n\r\n", "length", true);
    await peer.until("\r\n\r\n");
    await clock.advance(900);
    assertEquals(recorder.log, []);
    await clock.advance(200);
    assertEquals(recorder.log, ["continue"]);
  });
});

Deno.test("an upstream that does not answer a whole request is given up", async () => {
  await withConnection({}, async (stage) => {
    const recorder = await beginGet(stage);
    await stage.clock.advance(59_000);
    assertEquals(recorder.log, []);
    await stage.clock.advance(2_000);
    assertInstanceOf(recorder.error, UpstreamTimeoutError);
    assertEquals([recorder.error.phase, recorder.error.timeoutMs], ["head", 60_000]);
    assert(await stage.peer.closedReason !== null);
  });
});

Deno.test("while the client still sends its request, the upstream is not to blame", async () => {
  await withConnection({}, async ({ clock, connection, peer, settle }) => {
    const recorder = new Recorder();
    connection.begin(recorder, "POST", "POST / HTTP/1.1\r\n\r\n", "length", false);
    await peer.until("\r\n\r\n");
    await clock.advance(600_000);
    connection.send(new Uint8Array(1));
    await settle();
    await clock.advance(600_000);
    assertEquals(recorder.log, []);
    connection.endSend([]);
    await clock.advance(61_000);
    assertInstanceOf(recorder.error, UpstreamTimeoutError);
  });
});

Deno.test("an upstream that takes no more of the request is given up", async () => {
  await withConnection({}, async ({ clock, connection, peer, settle }) => {
    const recorder = new Recorder();
    connection.begin(recorder, "POST", "POST / HTTP/1.1\r\n\r\n", "length", false);
    peer.transport.pauseReading();
    const piece = new Uint8Array(64 * 1024);
    for (let i = 0; i < 32 && !connection.isSendPaused; i++) {
      connection.send(piece);
      await settle();
    }
    assert(connection.isSendPaused);
    await clock.advance(61_000);
    assertInstanceOf(recorder.error, UpstreamTimeoutError);
  });
});

Deno.test("an upstream that takes the request again makes the exchange hear of it", async () => {
  await withConnection({}, async ({ connection, peer, settle }) => {
    const recorder = new Recorder();
    connection.begin(recorder, "POST", "POST / HTTP/1.1\r\n\r\n", "length", false);
    peer.transport.pauseReading();
    const piece = new Uint8Array(64 * 1024);
    for (let i = 0; i < 32 && !connection.isSendPaused; i++) {
      connection.send(piece);
      await settle();
    }
    recorder.log.length = 0;
    peer.transport.resumeReading();
    await settle();
    assertEquals(recorder.log, ["resumed"]);
    assert(!connection.isSendPaused);
  });
});

Deno.test("a response that falls silent is cut, a paused one is not", async () => {
  await withConnection({}, async (stage) => {
    const recorder = await beginGet(stage);
    stage.peer.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi");
    await stage.settle();
    stage.connection.pause();
    await stage.clock.advance(600_000);
    assertEquals(recorder.error, null);
    stage.connection.resume();
    await stage.clock.advance(29_000);
    stage.peer.send("x"); // every byte counts as life
    await stage.settle();
    await stage.clock.advance(29_000);
    assertEquals(recorder.error, null);
    await stage.clock.advance(2_000);
    assertInstanceOf(recorder.error, UpstreamTimeoutError);
    assertEquals(recorder.error.phase, "body");
  });
});

Deno.test("deadlines that are null never pass", async () => {
  await withConnection({ headTimeoutMs: null, bodyIdleTimeoutMs: null }, async (stage) => {
    const recorder = await beginGet(stage);
    await stage.clock.advance(86_400_000);
    stage.peer.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi");
    await stage.settle();
    await stage.clock.advance(86_400_000);
    assertEquals(recorder.error, null);
  });
});

Deno.test("a paused exchange leaves the upstream's bytes where they are", async () => {
  await withConnection({}, async (stage) => {
    const recorder = await beginGet(stage);
    recorder.onBodyCall = () => stage.connection.pause();
    stage.peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nhi");
    await stage.settle();
    stage.peer.send("more");
    await stage.settle();
    assertEquals(recorder.log, ["head 200", "body hi", "read"]);
    stage.connection.resume();
    await stage.settle();
    assertEquals(recorder.log, ["head 200", "body hi", "read", "body more", "read"]);
  });
});

Deno.test("a connection that was paused at the end of its exchange reads again for the next one", async () => {
  await withConnection({}, async (stage) => {
    const recorder = await beginGet(stage);
    recorder.onBodyCall = () => stage.connection.pause();
    stage.peer.send(OK);
    await stage.settle();
    assertEquals(recorder.log, ["head 200", "body hi", "end", "read"]);
    const second = await beginGet(stage);
    stage.peer.send(OK);
    await stage.settle();
    assertEquals(second.log, ["head 200", "body hi", "end", "read"]);
  });
});

Deno.test("an idle connection is closed after its time, and sooner when the upstream says so", async () => {
  await withConnection({}, async (stage) => {
    await stage.clock.advance(3_900);
    assert(stage.connection.isIdle);
    await stage.clock.advance(200);
    assert(!stage.connection.isIdle);
    await stage.peer.untilEnded();
    assertEquals(stage.owner.log, ["open", "closed"]);
  });
  await withConnection({}, async (stage) => {
    await beginGet(stage);
    stage.peer.send("HTTP/1.1 200 OK\r\nKeep-Alive: timeout=3, max=100\r\nContent-Length: 2\r\n\r\nhi");
    await stage.settle();
    await stage.clock.advance(1_900);
    assert(stage.connection.isIdle);
    await stage.clock.advance(200);
    assert(!stage.connection.isIdle);
  });
});

Deno.test("abort resets the connection, and the listener hears nothing more", async () => {
  await withConnection({}, async (stage) => {
    const recorder = await beginGet(stage);
    stage.peer.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi");
    await stage.settle();
    stage.connection.abort(new Error("enough"));
    await stage.settle();
    assertEquals(recorder.log, ["head 200", "body hi", "read"]);
    assert(await stage.peer.closedReason !== null);
    assertEquals(stage.owner.log, ["open", "closed"]);
  });
});

Deno.test("abort from inside a body stops the rest of the same read", async () => {
  await withConnection({}, async (stage) => {
    const recorder = await beginGet(stage);
    recorder.onBodyCall = () => stage.connection.abort(new Error("enough"));
    stage.peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n");
    await stage.settle();
    assertEquals(recorder.log, ["head 200", "body a"]);
    assertEquals(stage.owner.log, ["open", "closed"]);
  });
});

Deno.test("close fails an exchange and ends an idle connection in order", async () => {
  await withConnection({}, async (stage) => {
    const recorder = await beginGet(stage);
    stage.connection.close(new GatewayClosedError());
    assertInstanceOf(recorder.error, GatewayClosedError);
    await stage.settle();
    assertEquals(stage.owner.log, ["open", "closed"]);
  });
  await withConnection({}, async (stage) => {
    stage.connection.close(new GatewayClosedError());
    await stage.peer.untilEnded();
    assert(stage.peer.isEnded);
  });
});

Deno.test("what is sent after the exchange is dropped", async () => {
  await withConnection({}, async ({ connection, peer, settle }) => {
    connection.begin(new Recorder(), "POST", "POST / HTTP/1.1\r\n\r\n", "length", false);
    await peer.until("\r\n\r\n");
    peer.send(OK);
    await settle();
    connection.send(new Uint8Array(10));
    connection.endSend([]);
    await settle();
    assertEquals(peer.text, "");
  });
});
