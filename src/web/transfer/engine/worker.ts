import { serveLate } from '../../engine/late.ts';
import type { TransferReply, TransferRequest } from './protocol.ts';

serveLate<TransferRequest, TransferReply>(async (send, start) =>
  (await import('./work.ts')).transferWork(send, start),
);
