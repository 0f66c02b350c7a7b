/**
 * `@wmo/daemon`: what wmod does; policies on groups that come and go, by one configuration file.
 */
export { checkConfig, type CheckOptions } from "./config/checkConfig.ts"
export type { Config, EmergencyStop, Rule, RuleBody } from "./config/Config.ts"
export { configJsonSchema } from "./config/configJsonSchema.ts"
export { type ConfigProblem, ConfigRejected } from "./config/ConfigProblem.ts"
export { loadConfig } from "./config/loadConfig.ts"
export type { Monitor, PlainMonitor, PlainSampling } from "./config/loadMonitors.ts"
export { type GroupPlan, type Plan, planGroups, type PlanInput } from "./config/plan.ts"
export { type ContainerGroup, containerOf, type PodGroup, type QosClass, type Runtime } from "./containers/cgroupNames.ts"
export { type Pod, type Pods, readPods } from "./containers/pods.ts"
export { RestartNeeded } from "./supervisor/RestartNeeded.ts"
export { makeSupervisor, NotSet, type Supervisor, type SupervisorStatus } from "./supervisor/Supervisor.ts"
export { type RecorderHealth, steadyRecorder } from "./supervisor/steadyRecorder.ts"
export { CannotListen, type Daemon, type DaemonOptions, NotHere, recover, runDaemon } from "./daemon.ts"
