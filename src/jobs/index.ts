export { checkJobId, Job, type JobKind, type JobProgress, type JobSpec, jobIdOf } from "./job.js";
export { type Claim, JobQueue, type QueueSettings, type StoredJob, unreadable } from "./queue.js";
