/**
 * The server layer: HTTP, SSE, gateway and jobs, as handlers of requests.
 *
 * @module
 */
export {};
