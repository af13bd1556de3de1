import type { Handler } from 'hono';
import { attack } from './attack.ts';
import { manifestOf, type Catalogue } from './catalogue.ts';
import { createOpenStored, findModel, sendModel } from './models.ts';
import { runRoutes } from './run-routes.ts';
import { attackSchemas } from './schemas.ts';
import type { Endpoint, Environment, ServiceDeps } from './service.ts';

/** The endpoints of a trained run: attacks by its attackers, and its models. */
export function runEndpoints(
  catalogue: Catalogue,
  { batcher, log, limits, access, client, bodyLimits }: ServiceDeps,
): readonly Endpoint[] {
  const { card, cells } = catalogue;
  const schemas = attackSchemas(card, limits);
  const routes = runRoutes(schemas, limits, access);
  const manifest: Handler<Environment> = (c) =>
    c.json(manifestOf(catalogue), 200, { 'cache-control': 'no-cache' });
  const openStored = createOpenStored((error) => log.error({ err: error }, 'a model cannot be read'));
  return [
    {
      route: routes.attack,
      handlers: [...bodyLimits, (c) => attack(c, { cells, batcher, client, card, schemas, limits })],
      large: true,
    },
    { route: routes.models, handlers: [manifest], large: true },
    { route: routes.modelsJson, handlers: [manifest], large: true },
    {
      route: routes.model,
      handlers: [
        (c) => sendModel(c, findModel(catalogue, c.req.param('folder')!, c.req.param('file')!), openStored),
      ],
    },
  ];
}
