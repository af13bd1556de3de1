import { serveLate } from '../../engine/late.ts';
import type { OwnReply, OwnRequest } from './protocol.ts';

serveLate<OwnRequest, OwnReply>(async (send, start) => (await import('./work.ts')).ownWork(send, start));
