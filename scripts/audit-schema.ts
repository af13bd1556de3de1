/** Writes docs/audit.schema.json, the JSON Schema of `audit.json`, from its type. */
import { writeFileSync } from 'node:fs';
import { auditJsonSchema } from '../src/runtime/audit/json-schema.ts';

writeFileSync(
  new URL('../docs/audit.schema.json', import.meta.url),
  `${JSON.stringify(auditJsonSchema(), null, 2)}\n`,
);
