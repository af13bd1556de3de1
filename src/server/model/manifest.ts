import type { RequestLimits } from '../schemas.ts';
import { isPicture } from '../png.ts';
import { attackCards } from './cards.ts';
import type { ModelCatalogue } from './catalogue.ts';

/** What `GET /models` answers of a classifier: what a client must know to send it images and to ask for attacks. */
export function modelManifest(
  { name, sha256, card, understood, noGradient, attacks, fit }: ModelCatalogue,
  { images }: RequestLimits,
) {
  const { names, norm, eps, most } = attacks;
  return {
    schema: 1,
    model: { name, sha256, understood, noGradient },
    classifier: card,
    pictures: isPicture(card.image) ? (fit ? 'fitted' : 'exact') : 'none',
    attacks: attackCards(attacks),
    defaults: { attack: names[0]!, norm, eps },
    limits: { images, eps: most.eps },
    server: { attack: 'attack', infer: `v2/models/${name}/infer` },
  } as const;
}
