export { checkJobId, Job, type JobKind, type JobProgress, type JobSpec, jobIdOf } from "./job.js";
export { type Claim, JobQueue, type JobRecord, type QueueSettings, unreadable } from "./queue.js";
