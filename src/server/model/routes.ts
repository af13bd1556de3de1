import { createRoute, z } from '@hono/zod-openapi';
import { sizeText, valuesOf } from '../../runtime/classifier-card.ts';
import { isPicture } from '../png.ts';
import { always, binary, header, ofWork, problems, type Access } from '../routes.ts';
import type { RequestLimits } from '../schemas.ts';
import { answerTypes, modelHeaders } from './attack.ts';
import type { ModelCatalogue } from './catalogue.ts';
import { pictureTypes } from './pictures.ts';
import type { ModelSchemas } from './schemas.ts';

/** The routes of a server of one classifier: their methods, paths, schemas and answers. */
export function modelRoutes(
  { card: { image }, fit }: ModelCatalogue,
  schemas: ModelSchemas,
  limits: RequestLimits,
  { security, secret }: Access,
) {
  const size = sizeText(image);
  const raw = `Little-endian float32, ${valuesOf(image)} an image`;
  const picture = fit ? 'A picture of any size' : `A picture of ${size} pixels`;
  const pictures = isPicture(image)
    ? Object.fromEntries(
        ['image/png', 'image/jpeg', 'image/webp'].map((type) => [type, { schema: binary(picture) }]),
      )
    : {};
  return {
    attack: createRoute({
      method: 'post',
      path: '/attack',
      summary: 'Attack images',
      description: `Up to ${limits.images} images of ${size} in ${image.channels} channels. Options stand in a JSON or multipart body, else in the query.`,
      ...security,
      operationId: 'attack',
      tags: ['attacks'],
      request: {
        query: schemas.text,
        headers: z.object({
          accept: z
            .string()
            .optional()
            .openapi({
              description: answerTypes(image).join(', '),
              example: 'application/json',
            }),
        }),
        body: {
          required: true,
          content: {
            'application/json': { schema: schemas.request },
            ...pictures,
            'application/octet-stream': { schema: binary(`${raw}, each in 0..1`) },
            ...(isPicture(image) && {
              'multipart/form-data': {
                schema: schemas.text.extend({ images: z.array(binary(picture)).min(1).max(limits.images) }),
              },
            }),
          },
        },
      },
      responses: {
        200: {
          description: 'What the attack made of the images',
          content: {
            'application/json': { schema: schemas.answer },
            ...Object.fromEntries(
              pictureTypes(image).map((type) => [
                type,
                { schema: binary('The attacked image, 8 bits a value, without loss') },
              ]),
            ),
            'application/octet-stream': { schema: binary(`The attacked images. ${raw}`) },
          },
          headers: {
            ...always,
            ...Object.fromEntries(
              Object.entries(modelHeaders).map(([name, description]) => [
                name,
                header(`Unless the answer is JSON: ${description}`),
              ]),
            ),
          },
        },
        ...problems(...secret, ...ofWork, 'not-acceptable'),
      },
    }),
    models: createRoute({
      method: 'get',
      path: '/models',
      summary: 'The classifier, and the attacks that are offered',
      operationId: 'models',
      tags: ['models'],
      ...security,
      responses: {
        200: {
          description: 'The classifier and the attacks',
          content: { 'application/json': { schema: schemas.manifest } },
          headers: always,
        },
        ...problems(...secret, 'method-not-allowed', 'unexpected'),
      },
    }),
  };
}
