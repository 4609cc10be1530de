/**
 * For every Node of ours that ends by itself. V8 compiles what is hot in the background, and what it compiles
 * may need a garbage collection, which is for the main thread to do. When that ends the process meanwhile, it
 * waits for the background first, and both wait for ever (nodejs/node#54918). So nothing is compiled there.
 * `bin/banger` has the same flags.
 */
export const NODE_FLAGS = ['--no-concurrent-recompilation', '--no-concurrent-sparkplug'] as const;
