export { auditCard } from './card.ts';
export { auditPage } from './page.ts';
export type { AuditPictures, BrokenPixels } from './samples.ts';
export { worstPicture } from './worst.ts';
