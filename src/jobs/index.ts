export { checkJobId, Job, type JobKind, type JobProgress, type JobSpec, jobIdOf } from "./job.js";
export {
  type Claim,
  CONSUMERS,
  DEFAULT_QUEUE,
  describe,
  JobQueue,
  type JobRecord,
  type QueueSettings,
  STREAM,
} from "./queue.js";
