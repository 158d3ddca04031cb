import { assertEquals, assertThrows } from "@std/assert";
import { ANY_METHOD, RouteTree } from "../../server/route_tree.ts";

function treeOf(...patterns: string[]): RouteTree<string> {
  const tree = new RouteTree<string>();
  for (const pattern of patterns) tree.add("GET", pattern, pattern);
  return tree;
}

/** What is found for a path: the pattern and what stood for its names. */
function found(tree: RouteTree<string>, path: string, ...methods: string[]): unknown {
  const match = tree.find(methods.length > 0 ? methods : ["GET"], path);
  return match && [match.route.value, ...match.values];
}

Deno.test("literals, named parts and rests match what they say", () => {
  const tree = treeOf("/", "/a", "/a/", "/users/:id", "/users/:id/posts/:post", "/files/*", "/deep/:a/*rest");
  const cases: [string, unknown][] = [
    ["/", ["/"]],
    ["/a", ["/a"]],
    ["/a/", ["/a/"]],
    ["/A", null],
    ["/b", null],
    ["//", null],
    ["/users/7", ["/users/:id", "7"]],
    ["/users/", null],
    ["/users", null],
    ["/users/7/", null],
    ["/users/7/posts/x%2Fy", ["/users/:id/posts/:post", "7", "x%2Fy"]],
    ["/users/7/posts", null],
    ["/files/", ["/files/*", ""]],
    ["/files/a/b//c", ["/files/*", "a/b//c"]],
    ["/files", null],
    ["/deep/x/", ["/deep/:a/*rest", "x", ""]],
    ["/deep/x/y/z", ["/deep/:a/*rest", "x", "y/z"]],
    ["/deep/x", null],
  ];
  for (const [path, expected] of cases) assertEquals(found(tree, path), expected, path);
});

Deno.test("literal beats name beats rest at each segment, in every order of registration", () => {
  const patterns = ["/*", "/:a", "/x", "/:a/:b", "/x/:b", "/:a/y", "/x/y", "/x/*", "/x/:b/*"];
  const cases: [string, unknown][] = [
    ["/x", ["/x"]],
    ["/z", ["/:a", "z"]],
    ["/x/y", ["/x/y"]],
    ["/x/z", ["/x/:b", "z"]],
    ["/z/y", ["/:a/y", "z"]],
    ["/z/z", ["/:a/:b", "z", "z"]],
    ["/x/z/w", ["/x/:b/*", "z", "w"]],
    ["/x/", ["/x/*", ""]],
    ["/z/z/z", ["/*", "z/z/z"]],
    ["/", ["/*", ""]],
  ];
  for (let turn = 0; turn < patterns.length; turn++) {
    const tree = treeOf(...patterns.slice(turn), ...patterns.slice(0, turn));
    for (const [path, expected] of cases) assertEquals(found(tree, path), expected, path);
  }
  const reversed = treeOf(...patterns.toReversed());
  for (const [path, expected] of cases) assertEquals(found(reversed, path), expected, path);
});

Deno.test("what a literal leads to is left again when it ends nowhere", () => {
  assertEquals(found(treeOf("/a/b/c", "/:x/b/d"), "/a/b/d"), ["/:x/b/d", "a"]);
  // The first segment that differs decides, even when the rest is less specific.
  assertEquals(found(treeOf("/a/b/c", "/:x/b/d", "/a/*"), "/a/b/d"), ["/a/*", "b/d"]);
});

Deno.test("a more specific pattern that does not know the method leaves it to the next", () => {
  const tree = new RouteTree<string>();
  tree.add("GET", "/users/me", "me");
  tree.add("POST", "/users/:id", "post");
  tree.add(ANY_METHOD, "/users/*", "any");
  assertEquals(found(tree, "/users/me", "GET", ANY_METHOD), ["me"]);
  assertEquals(found(tree, "/users/me", "POST", ANY_METHOD), ["post", "me"]);
  assertEquals(found(tree, "/users/me", "PUT", ANY_METHOD), ["any", "me"]);
  assertEquals(tree.methodsOf("/users/me"), new Set(["GET", "POST", ANY_METHOD]));
  assertEquals(tree.methodsOf("/other"), new Set());
});

Deno.test("methods are tried in the order given", () => {
  const tree = new RouteTree<string>();
  tree.add("GET", "/", "get");
  assertEquals(found(tree, "/", "HEAD", "GET"), ["get"]);
  tree.add("HEAD", "/", "head");
  assertEquals(found(tree, "/", "HEAD", "GET"), ["head"]);
});

Deno.test("a literal is compared as URLs have it, whatever the case of its escapes", () => {
  const tree = treeOf("/k\u00e4se", "/a b", "/100%25");
  assertEquals(found(tree, "/k%C3%A4se"), ["/k\u00e4se"]);
  assertEquals(found(tree, "/k%c3%a4se"), ["/k\u00e4se"]);
  assertEquals(found(tree, "/a%20b"), ["/a b"]);
  assertEquals(found(tree, "/100%25"), ["/100%25"]);
  // An escaped letter is another resource to the URL standard, so it must not pass for the literal.
  assertEquals(found(tree, "/%61%20b"), null);
});

Deno.test("a path is searched in time that does not explode with its segments", () => {
  const tree = new RouteTree<string>();
  const depth = 12;
  for (let bits = 0; bits < 2 ** depth; bits += 97) {
    const segments = Array.from({ length: depth }, (_, index) => (bits >> index) & 1 ? "a" : `:p${index}`);
    tree.add("GET", `/${segments.join("/")}/end`, "deep");
  }
  let visited = 0;
  const path = "/a".repeat(depth) + "/none";
  assertEquals(found(tree, path), null);
  visited += tree.methodsOf("/a".repeat(depth) + "/end").size;
  assertEquals(visited, 1);
  assertEquals(found(tree, "/".repeat(8000)), null);
});

Deno.test("patterns that cannot work are refused when they are added", () => {
  const bad: [string, string][] = [
    ["", 'does not begin with "/"'],
    ["a", 'does not begin with "/"'],
    ["/*/a", "not its last segment"],
    ["/a*", "not its last segment"],
    ["/:", "is no name"],
    ["/:a-b", "is no name"],
    ["/:1", "is no name"],
    ["/*a.b", "is no name"],
    ["/:a/:a", "a name twice"],
    ["/:a/*a", "a name twice"],
    ["/a?b", "query or fragment"],
    ["/a#b", "query or fragment"],
    ["/a/../b", "dot segment"],
    ["/./b", "dot segment"],
    ["/a\\b", "backslash"],
  ];
  for (const [pattern, why] of bad) assertThrows(() => treeOf(pattern), TypeError, why);
  assertThrows(() => treeOf("/a/:x", "/a/:y"), TypeError, "GET has a route like it");
  assertThrows(() => treeOf("/a/*", "/a/*rest"), TypeError, "GET has a route like it");
});
