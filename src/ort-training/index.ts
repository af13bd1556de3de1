export { modelsFor, type Models } from './models.ts';
export { check, files, type CheckpointTypes } from './check.ts';
