/** A module as `deno serve` takes it. */

export default {
  fetch(request: Request): Response {
    return new Response(`you asked for ${new URL(request.url).pathname}`);
  },
};
