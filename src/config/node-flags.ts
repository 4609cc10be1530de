/**
 * Flags for every Node program of banger that exits. V8 compiles hot code in the background, and that may
 * need a garbage collection, which only the main thread can do. When the main thread exits at that moment, it
 * first waits for the background, and both wait forever (nodejs/node#54918). These flags turn background
 * compilation off. `bin/banger` has the same flags.
 */
export const NODE_FLAGS = ['--no-concurrent-recompilation', '--no-concurrent-sparkplug'] as const;
