/**
 * Objects that pass for a web platform object without having been built as one: the real one is made when somebody
 * needs it.
 *
 * Strategy: a class whose prototype inherits from the web class's, so that `instanceof` holds, but whose constructor
 * never runs the web class's constructor, which is what costs. What the class does not define itself is forwarded to
 * the real object: `forwardMembers` looks at the web class when the module loads and adds every accessor and method
 * that is missing, so what a later version of the runtime adds is there too.
 *
 * How a runtime looks behind the public members decides how far this carries:
 * - Deno keeps its state in own properties under symbols. These are forwarded as well, so `fetch(request)`,
 *   `new Request(request)` and `Deno.serve` get what they look for.
 * - Bun and Node keep it out of reach. Bun's constructors read the public members, so they work; Node's
 *   `new Request(request)` and `fetch(request)` throw: hand them the real object.
 *
 * @module
 */

/**
 * Adds to `target` what `web.prototype` has and `target` has not, forwarded to the real object.
 *
 * @param target the stand-in's prototype; it must inherit from the web class's prototype
 * @param sample an instance of the web class: its own symbols are the runtime's slots
 * @param realOf gives the real object behind a stand-in
 */
export function forwardMembers<T extends object>(
  target: object,
  sample: T,
  realOf: (self: object) => T,
): void {
  const web: object = Object.getPrototypeOf(sample);
  for (const key of Reflect.ownKeys(web)) {
    if (Object.hasOwn(target, key)) continue;
    const member = Object.getOwnPropertyDescriptor(web, key)!;
    if (member.get !== undefined) {
      Object.defineProperty(target, key, forwardAccessor(key, realOf, member.enumerable === true));
    } else if (typeof member.value === "function") {
      Object.defineProperty(target, key, { ...member, value: forwardMethod(member.value, realOf) });
    }
  }
  for (const slot of Object.getOwnPropertySymbols(sample)) {
    Object.defineProperty(target, slot, forwardAccessor(slot, realOf, false));
  }
}

function forwardAccessor<T extends object>(
  key: PropertyKey,
  realOf: (self: object) => T,
  isEnumerable: boolean,
): PropertyDescriptor {
  return {
    configurable: true,
    enumerable: isEnumerable,
    get(this: object): unknown {
      return Reflect.get(realOf(this), key);
    },
    set(this: object, value: unknown) { // Throws where the real one has no setter, as strict mode does.
      if (!Reflect.set(realOf(this), key, value)) {
        throw new TypeError(`Cannot set ${String(key)}: it is read-only`);
      }
    },
  };
}

function forwardMethod<T extends object>(
  method: (...args: unknown[]) => unknown,
  realOf: (self: object) => T,
): (...args: unknown[]) => unknown {
  return function (this: object, ...args: unknown[]) {
    return Reflect.apply(method, realOf(this), args);
  };
}
