import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import { loadAttacker, type LoadedAttacker } from '../../api/attacker.ts';
import type { Loaded } from '../../api/load.ts';
import { node } from '../../api/node.ts';
import { isTrained, type AttackName, type Trained } from '../../runtime/attacks/index.ts';
import type { Audit } from '../../runtime/audit/document.ts';
import { InputError } from '../../runtime/index.ts';

/** The attackers of a classifier, by the name of their attack. */
export type Attackers = Partial<Readonly<Record<Trained, LoadedAttacker>>>;

/**
 * Reads the files of `--attacker`, of an audit or a server.
 *
 * @param attacks those that are listed, of which the trained ones need a file.
 * @throws InputError in one line when a file is no attacker of such images, two are of a kind, or one is missing.
 */
export async function readAttackers(
  files: readonly string[],
  { classifier: { image } }: Loaded,
  attacks: readonly AttackName[],
): Promise<Attackers> {
  const found: Partial<Record<Trained, LoadedAttacker>> = {};
  for (const file of files) {
    const attacker = await loadAttacker(node, file);
    const [takes, has] = [attacker.image, image].map(
      (size) => `${size.channels}x${size.height}x${size.width}`,
    );
    if (takes !== has) {
      throw new InputError(`${file}: attacks images of ${takes}, the classifier takes ${has}; train another`);
    }
    const other = found[attacker.kind];
    if (other) {
      throw new InputError(
        `--attacker: ${other.name} and ${file} are both of kind ${attacker.kind}; give one of them`,
      );
    }
    found[attacker.kind] = attacker;
  }
  const missing = attacks.find((name) => isTrained(name) && !found[name]);
  if (missing !== undefined) {
    throw new InputError(
      `--attacks ${missing} needs a trained attacker: name its file with --attacker (sparring train-attacker writes one)`,
    );
  }
  return found;
}

/** The attackers, as the document has them. */
export const attackersAbout = (attackers: Attackers): NonNullable<Audit['attackers']> =>
  Object.entries(attackers).map(([attack, { name, attacker, eps, targeted = false }]) => ({
    attack,
    name: basename(name),
    sha256: createHash('sha256').update(attacker).digest('hex'),
    eps: typeof eps === 'number' ? [eps, eps] : [...eps],
    targeted,
  }));
