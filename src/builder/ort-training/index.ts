export { modelsFor, type Models } from './models.ts';
export { check, files, type CheckpointTypes } from './check.ts';
export { interfaceOf, type Interface } from './interface.ts';
