/** The path of `name`, whose bytes are held as latin1, inside `folder`. */
export function bytePath(folder: string, name: string): Buffer {
  return Buffer.concat([Buffer.from(`${folder}/`, 'utf8'), Buffer.from(name, 'latin1')]);
}
