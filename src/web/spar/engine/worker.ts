import { serveLate } from '../../engine/late.ts';
import type { SparReply, SparRequest } from './protocol.ts';

serveLate<SparRequest, SparReply>(async (send, start) => (await import('./work.ts')).sparWork(send, start));
