import { z } from 'zod';
import { Audit } from './document.ts';

/** The JSON Schema of `audit.json`, as docs/audit.schema.json publishes it. A later version may add fields. */
export const auditJsonSchema = (): object => ({
  title: 'audit.json of sparring audit',
  ...z.toJSONSchema(Audit, { io: 'input' }),
});
