import type { Endpoint, ServiceDeps } from '../service.ts';
import { attackModel } from './attack.ts';
import type { ModelCatalogue } from './catalogue.ts';
import { modelManifest } from './manifest.ts';
import { pictureReader } from './pictures.ts';
import { modelRoutes } from './routes.ts';
import { modelSchemas } from './schemas.ts';

/** The endpoints of one classifier: attacks on it, and what there is to know of it. */
export function modelEndpoints(
  catalogue: ModelCatalogue,
  { batcher, limits, access, client, bodyLimits }: ServiceDeps,
): readonly Endpoint[] {
  const { card, attacks: offer, fit } = catalogue;
  const schemas = modelSchemas(catalogue, limits);
  const routes = modelRoutes(catalogue, schemas, limits, access);
  const reading = { card, schemas, limits, offer, picture: pictureReader(card, fit) };
  return [
    {
      route: routes.attack,
      handlers: [...bodyLimits, (c) => attackModel(c, { catalogue, batcher, client, ...reading })],
      large: true,
    },
    {
      route: routes.models,
      handlers: [(c) => c.json(modelManifest(catalogue, limits), 200, { 'cache-control': 'no-cache' })],
      large: true,
    },
  ];
}
