import { createRoute, z } from '@hono/zod-openapi';
import { pictureHeaders } from './attack.ts';
import { always, binary, header, ofWork, problems, range, type Access } from './routes.ts';
import { ManifestAnswer, type AttackSchemas, type RequestLimits } from './schemas.ts';

const cached = {
  ETag: header('The SHA-256 of the file, in quotes'),
  'Cache-Control': header('Immutable where the address holds the hash'),
  'Accept-Ranges': header('bytes'),
};
/** The routes of a server of a run: their methods, paths, schemas and answers. */
export function runRoutes(schemas: AttackSchemas, limits: RequestLimits, { security, secret }: Access) {
  const { size, channels, values } = schemas.words;
  const manifest = (path: string, summary: string, operationId: string) =>
    createRoute({
      method: 'get',
      path,
      summary,
      operationId,
      tags: ['models'],
      ...security,
      responses: {
        200: {
          description: 'The run',
          content: { 'application/json': { schema: ManifestAnswer } },
          headers: always,
        },
        ...problems(...secret, 'method-not-allowed', 'unexpected'),
      },
    });
  return {
    attack: createRoute({
      method: 'post',
      path: '/attack',
      summary: 'Attack images',
      description: `Up to ${limits.images} images of ${size} pixels. Options stand in a JSON or multipart body, else in the query.`,
      ...security,
      operationId: 'attack',
      tags: ['attacks'],
      request: {
        query: schemas.options,
        headers: z.object({
          accept: z
            .string()
            .optional()
            .openapi({ description: 'application/json or image/png', example: 'application/json' }),
        }),
        body: {
          required: true,
          content: {
            'application/json': { schema: schemas.request },
            'image/png': {
              schema: binary(`A PNG of ${size} pixels${channels === 1 ? ', white on black' : ''}`),
            },
            'application/octet-stream': {
              schema: binary(`Little-endian float32, ${values} an image, each in 0..1`),
            },
            'multipart/form-data': {
              schema: schemas.options.extend({
                images: z
                  .array(binary(`A PNG of ${size} pixels`))
                  .min(1)
                  .max(limits.images),
              }),
            },
          },
        },
      },
      responses: {
        200: {
          description:
            'What the attacker made of the images, or with Accept: image/png the attacked picture itself',
          content: {
            'application/json': { schema: schemas.answer },
            'image/png': { schema: binary(channels === 1 ? '8 bits, grey' : '8 bits a channel') },
          },
          headers: {
            ...always,
            ...Object.fromEntries(
              Object.entries(pictureHeaders).map(([name, description]) => [
                name,
                header(`With Accept: image/png: ${description}`),
              ]),
            ),
          },
        },
        ...problems(...secret, ...ofWork, 'not-acceptable'),
      },
    }),
    models: manifest('/models', 'Attackers, classifiers and how they did', 'models'),
    modelsJson: manifest(
      '/models.json',
      'The same, by the name that it has beside a static demo',
      'modelsJson',
    ),
    model: createRoute({
      method: 'get',
      path: '/models/{folder}/{file}',
      summary: 'A model as an ONNX file',
      operationId: 'model',
      tags: ['models'],
      ...security,
      request: {
        params: z.object({ folder: z.string(), file: z.string() }),
        query: z.object({
          sha256: z
            .string()
            .optional()
            .openapi({ description: 'Its hash, or how that begins: the answer may then be cached for ever' }),
        }),
        headers: z.object({
          range: z.string().optional().openapi({ example: 'bytes=0-99' }),
          'if-range': z.string().optional().openapi({ description: 'An ETag: a range only of this file' }),
          'if-none-match': z.string().optional().openapi({ description: 'ETags, or *' }),
        }),
      },
      responses: {
        200: {
          description: 'The file',
          content: { 'application/octet-stream': { schema: binary('ONNX') } },
          headers: { ...always, ...cached },
        },
        206: {
          description: 'A range of it',
          content: { 'application/octet-stream': { schema: binary('Bytes of it') } },
          headers: { ...always, ...cached, ...range },
        },
        304: { description: 'It is what the client has', headers: { ...always, ...cached } },
        ...problems(
          ...secret,
          'not-found',
          'method-not-allowed',
          'range-not-satisfiable',
          'unexpected',
          'model-unreadable',
        ),
      },
    }),
  };
}
