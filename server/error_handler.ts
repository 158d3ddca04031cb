/**
 * What a server does with what handlers throw: asks `onError` for a response, and sees that there is one.
 *
 * The only file of the library that prints: who gives no `onError` must not lose an error, and what goes wrong inside
 * `onError` itself has nowhere else to go.
 *
 * @module
 */
import { Reply } from "./reply.ts";

/** Makes a response for what was thrown. */
export type OnError = (error: unknown) => Response | Promise<Response>;

/** Prints the error and answers 500 without details: the default `onError`. */
export function printError(error: unknown): Response {
  console.error(error);
  return internalServerError();
}

function internalServerError(): Response {
  return new Reply("Internal Server Error", { status: 500 });
}

/** What a server's parts call: never throws, never rejects. */
export class ErrorHandler {
  readonly #onError: OnError;

  /** Takes the user's function. @param onError may throw, reject, and return anything */
  constructor(onError: OnError) {
    this.#onError = onError;
  }

  /** The response for what a handler threw. */
  respond(error: unknown): Response | Promise<Response> {
    try {
      const response = this.#onError(error);
      return response instanceof Promise
        ? response.then(checkResponse).catch(printError)
        : checkResponse(response);
    } catch (failure) {
      return printError(failure);
    }
  }

  /** Tells of what cannot be answered any more: the response is not used. */
  report(error: unknown): void {
    try {
      const response = this.#onError(error);
      if (response instanceof Promise) response.catch((failure) => console.error(failure));
    } catch (failure) {
      console.error(failure);
    }
  }
}

function checkResponse(response: unknown): Response {
  if (response instanceof Response) return response;
  return printError(new TypeError("Cannot answer: onError did not return a Response or a promise of one"));
}
