/**
 * Finds the route of a method and a path.
 *
 * Strategy: a tree with one level per path segment. At each level the literal segment is tried before a named part, and
 * that before a rest; the first route found that knows the method wins, whatever the order of registration. Every node
 * is visited at most once per search, since the path alone decides at which level it can be: the time of a search is
 * bounded by the number of routes, for any path.
 *
 * Segments are compared as the URL has them, percent-encoded. Decoding them first would give one resource two names,
 * and let `%2F` move a boundary between segments.
 *
 * @module
 */

/** Where `all` keeps its routes: no method is an empty string (RFC 9110 §9.1). */
export const ANY_METHOD = "";

/** What a tree holds for a method and a pattern. */
export interface TreeRoute<T> {
  /** What was registered. */
  readonly value: T;
  /** Names of the parts, in order of their appearance in the pattern. */
  readonly names: readonly string[];
  /** Whether the last of them is a rest. */
  readonly hasRest: boolean;
}

/** A route that was found. */
export interface TreeMatch<T> {
  /** The route. */
  readonly route: TreeRoute<T>;
  /** What stood for its names, percent-encoded. */
  readonly values: readonly string[];
}

/** Routes by method. */
type Methods<T> = Map<string, TreeRoute<T>>;

/** One segment of the patterns that share all before it. */
interface Node<T> {
  /** By the next segment, when it is a literal. */
  readonly literals: Map<string, Node<T>>;
  /** When the next segment is a named part. */
  part: Node<T> | null;
  /** Routes that end here. */
  readonly ends: Methods<T>;
  /** Routes whose rest begins here. */
  readonly rests: Methods<T>;
}

/** One segment of a pattern. */
type Segment =
  | { readonly kind: "literal"; readonly text: string }
  | { readonly kind: "part" | "rest"; readonly name: string };

/** Names of parts, as identifiers: what may follow one in a pattern is "/" only. */
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Routes by pattern and method. */
export class RouteTree<T> {
  readonly #root: Node<T> = createNode();
  /** Every route, in order of registration. */
  readonly routes: { readonly method: string; readonly pattern: string; readonly value: T }[] = [];

  /**
   * Adds a route.
   *
   * @param method case-sensitive, or `ANY_METHOD`
   * @param pattern begins with "/"; segments are literals, `:name`, or at the end `*` or `*name`
   * @param value what to find
   * @throws {TypeError} the pattern is malformed, or is there for this method
   */
  add(method: string, pattern: string, value: T): void {
    const segments = parsePattern(pattern);
    const names = segments.flatMap((segment) => segment.kind === "literal" ? [] : [segment.name]);
    if (new Set(names).size < names.length) throw badPattern(pattern, "it has a name twice");
    const hasRest = segments.at(-1)?.kind === "rest";
    let node = this.#root;
    for (const segment of segments) {
      if (segment.kind === "literal") node = literalOf(node, segment.text);
      else if (segment.kind === "part") node = node.part ??= createNode();
    }
    const methods = hasRest ? node.rests : node.ends;
    if (methods.has(method)) throw badPattern(pattern, `${method || "every method"} has a route like it`);
    methods.set(method, { value, names, hasRest });
    this.routes.push({ method, pattern, value });
  }

  /**
   * Finds the most specific route for any of the methods, which are tried in order at each pattern.
   *
   * @param methods as in `["HEAD", "GET", ANY_METHOD]`
   * @param path of a URL: begins with "/", percent-encoded
   */
  find(methods: readonly string[], path: string): TreeMatch<T> | null {
    const values: string[] = [];
    const route = search(this.#root, path, 1, values, (known) => {
      for (const method of methods) {
        const route = known.get(method);
        if (route !== undefined) return route;
      }
      return undefined;
    });
    return route === undefined ? null : { route, values };
  }

  /**
   * All methods that have a route for a path.
   *
   * @param path as in `find`
   */
  methodsOf(path: string): Set<string> {
    const methods = new Set<string>();
    search(this.#root, path, 1, [], (known): undefined => {
      for (const method of known.keys()) methods.add(method);
    });
    return methods;
  }
}

/** Visits what matches the path from `start`, most specific first, until `pick` takes a route. */
function search<T>(
  node: Node<T>,
  path: string,
  start: number,
  values: string[],
  pick: (methods: Methods<T>) => TreeRoute<T> | undefined,
): TreeRoute<T> | undefined {
  if (start > path.length) return node.ends.size > 0 ? pick(node.ends) : undefined;
  const slash = path.indexOf("/", start);
  const end = slash === -1 ? path.length : slash;
  const segment = path.slice(start, end);
  const literal = node.literals.get(segment.includes("%") ? upperHex(segment) : segment);
  if (literal !== undefined) {
    const route = search(literal, path, end + 1, values, pick);
    if (route !== undefined) return route;
  }
  if (node.part !== null && segment !== "") {
    values.push(segment);
    const route = search(node.part, path, end + 1, values, pick);
    if (route !== undefined) return route;
    values.pop();
  }
  if (node.rests.size === 0) return undefined;
  const route = pick(node.rests);
  if (route !== undefined) values.push(path.slice(start));
  return route;
}

function createNode<T>(): Node<T> {
  return { literals: new Map(), part: null, ends: new Map(), rests: new Map() };
}

function literalOf<T>(node: Node<T>, text: string): Node<T> {
  let next = node.literals.get(text);
  if (next === undefined) node.literals.set(text, next = createNode());
  return next;
}

function parsePattern(pattern: string): Segment[] {
  if (!pattern.startsWith("/")) throw badPattern(pattern, 'it does not begin with "/"');
  const parts = pattern.slice(1).split("/");
  return parts.map((part, index) => {
    if (part.startsWith(":")) return { kind: "part", name: checkedName(part.slice(1), pattern) };
    if (!part.includes("*")) return { kind: "literal", text: encodeLiteral(part, pattern) };
    if (index < parts.length - 1 || !part.startsWith("*")) {
      throw badPattern(pattern, '"*" is not its last segment');
    }
    return { kind: "rest", name: part === "*" ? part : checkedName(part.slice(1), pattern) };
  });
}

function checkedName(name: string, pattern: string): string {
  if (!NAME.test(name)) throw badPattern(pattern, `${JSON.stringify(name)} is no name`);
  return name;
}

/** A literal as a URL has it. */
function encodeLiteral(text: string, pattern: string): string {
  const { pathname, search, hash } = new URL(`http://host/${text}`);
  if (search !== "" || hash !== "" || text.includes("?") || text.includes("#")) {
    throw badPattern(pattern, "it has a query or fragment");
  }
  const encoded = upperHex(pathname.slice(1));
  // What the URL parser takes away no request's URL can have.
  if (encoded.includes("/") || (encoded === "" && text !== "")) {
    throw badPattern(pattern, "it has a dot segment or a backslash");
  }
  return encoded;
}

/** `%c3` and `%C3` are the same (RFC 3986 §6.2.2.1). */
function upperHex(text: string): string {
  return text.replace(/%[0-9a-f]{2}/gi, (escape) => escape.toUpperCase());
}

function badPattern(pattern: string, why: string): TypeError {
  return new TypeError(`Cannot add the route ${JSON.stringify(pattern)}: ${why}`);
}
