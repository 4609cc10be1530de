/** Words of generated names: short, pleasant, easy to say and to type; all hostname-safe. */
const ADJECTIVES =
  'able airy amber apt azure bold brave brief bright brisk calm candid clean clear clever coral cosy crisp dainty dapper deft eager early easy fair fast fine firm fleet fond free fresh gentle glad golden good grand green happy hardy hazel honest jolly keen kind light lively loyal lucid lucky mellow merry mild misty neat nimble noble novel olive plain polite prime proud pure quick quiet rapid ready rosy royal rustic sage silver sleek smart snug solid spry steady still sunny swift tidy trim true upbeat vivid warm whole wise witty young zesty'.split(
    ' ',
  );
const NOUNS =
  'acorn alder anchor apple arrow aspen badger basil bay beacon beech birch bison bloom breeze bridge brook cedar cherry clover comet coral cove crane creek daisy dawn delta dove dune eagle ember falcon fern field finch fjord forest fox garden glade grove harbor hawk hazel heron hill iris island ivy jay juniper kestrel kite lagoon lake lark laurel leaf lily linden lotus lynx maple marten meadow mesa mint moon moss oak oasis ocean olive orchid osprey otter owl palm panda pebble pine plover pond poppy prairie quail raven reef ridge river robin rowan sage salmon sequoia shore sparrow spruce star stone stream swallow swan thistle thyme tiger trout tulip valley violet walnut wave willow wren yarrow'.split(
    ' ',
  );

/** How many pairs of words to try before adding a number. */
const PLAIN_TRIES = 8;

/**
 * A name such as `calm-otter` that is not taken; when most are taken, one with a number (`calm-otter-417`).
 * `random` returns numbers in [0, 1).
 */
export function generateVmName(
  isTaken: (name: string) => boolean,
  random: () => number = Math.random,
): string {
  for (let tries = 0; ; tries += 1) {
    const plain = `${pick(ADJECTIVES, random)}-${pick(NOUNS, random)}`;
    const name = tries < PLAIN_TRIES ? plain : `${plain}-${Math.floor(random() * 10_000)}`;
    if (!isTaken(name)) return name;
  }
}

function pick(words: readonly string[], random: () => number): string {
  return words[Math.floor(random() * words.length)] ?? 'vm';
}
