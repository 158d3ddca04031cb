/**
 * The io layer: selectors, transports, streams, deadlines and task groups.
 *
 * @module
 */
export {};
