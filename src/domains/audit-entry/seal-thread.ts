import { answerInThread } from '../../jobs/thread.js';
import { type Batch, type Links, sealBatch } from './seal-batch.js';

answerInThread<Batch, Links>(sealBatch);
