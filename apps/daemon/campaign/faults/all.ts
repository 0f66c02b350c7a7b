/** Every kind of fault that needs no real kernel. A new one: a file here, a line below. */
import type { Fault } from "../Fault.ts"
import { clocks } from "./clocks.ts"
import { configurations } from "./configurations.ts"
import { ends } from "./ends.ts"
import { fullDisk } from "./fullDisk.ts"
import { journals } from "./journals.ts"
import { kernelErrors } from "./kernelErrors.ts"
import { killed } from "./killed.ts"
import { policyFaults } from "./policies.ts"
import { recordings } from "./recordings.ts"
import { http, sockets } from "./sockets.ts"
import { vanishing } from "./vanishing.ts"

/** What kernels, clocks and disks do. */
export const ofTheMachine: ReadonlyArray<Fault> = [...kernelErrors, ...vanishing, ...fullDisk, ...journals, ...recordings, ...clocks]

/** What people and other programs do. */
export const ofPeople: ReadonlyArray<Fault> = [...killed, ...ends, ...policyFaults, ...configurations, ...sockets, ...http]

export const allFaults: ReadonlyArray<Fault> = [...ofTheMachine, ...ofPeople]
