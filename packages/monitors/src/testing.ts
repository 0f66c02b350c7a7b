/** `@wmo/monitors/testing`: the suite that every sampler passes. Needs vitest and `@effect/vitest`. */
export { testSampler, type TestSamplerOptions } from "./testing/testSampler.ts"
