/**
 * The shape of wmod's configuration file: a Schema with a line of documentation for every key, which checks files and makes the published JSON
 * Schema. Does not know which policies there are, nor what their settings mean: `checkConfig` does.
 */
import { parseBytes, parseDuration } from "@wmo/core"
import { Result, Schema } from "effect"

const textThat = (parse: (text: string) => Result.Result<unknown, string>) =>
  Schema.Union([Schema.String, Schema.Finite]).check(
    Schema.makeFilter((value: string | number) =>
      Result.match(parse(String(value)), { onFailure: (why) => why, onSuccess: () => undefined })
    )
  )

/** `0.5%`, `5`: between 0 and 100. */
export const parsePercent = (text: string): Result.Result<number, string> => {
  const value = Number(text.replace(/\s*%\s*$/, ""))
  return text.trim() === "" || !(value >= 0 && value <= 100)
    ? Result.fail(`"${text}" is not a percentage: write 5% for example`)
    : Result.succeed(value)
}

/** `HH:MM`, to minutes of the day; 24:00 is its end. */
export const parseTimeOfDay = (text: string): Result.Result<number, string> => {
  const match = /^(\d{1,2}):(\d{2})$/.exec(text.trim())
  const minutes = match === null ? Number.NaN : Number(match[1]) * 60 + Number(match[2])
  return match !== null && Number(match[2]) < 60 && minutes <= 24 * 60
    ? Result.succeed(minutes)
    : Result.fail(`"${text}" is not a time of day: write "22:30", in quotes`)
}

/** `HOST:PORT`, IPv6 in brackets. Port 0 lets the system choose one. */
export const parseAddress = (text: string): Result.Result<{ readonly host: string; readonly port: number }, string> => {
  const match = /^(?:\[([0-9a-f:.]+)\]|([\w.-]+)):(\d{1,5})$/i.exec(text)
  return match === null || Number(match[3]) > 65535
    ? Result.fail(`"${text}" is not an address: write 127.0.0.1:9273, or off`)
    : Result.succeed({ host: match[1] ?? match[2]!, port: Number(match[3]) })
}

const size = textThat(parseBytes)
const time = textThat((text) =>
  Result.flatMap(parseDuration(text), (ms) => (ms > 0 ? Result.succeed(ms) : Result.fail("it must be more than zero")))
)
const percent = textThat(parsePercent)
const off = Schema.Literal("off")
const listOf = <S extends Schema.Constraint>(item: S) => Schema.Union([item, Schema.Array(item)])
const key = <S extends Schema.Top>(schema: S, description: string) => Schema.optionalKey(schema).annotateKey({ description })

export const weekdays = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const
const qosClasses = ["guaranteed", "burstable", "besteffort"] as const

const window = Schema.Struct({
  days: key(Schema.Array(Schema.Literals(weekdays)), "Days on which the window begins; all of them by default."),
  from: textThat(parseTimeOfDay).annotateKey({ description: 'Time of day in the machine\'s time zone: "22:00".' }),
  to: textThat(parseTimeOfDay).annotateKey({ description: 'Time of day; before `from`: the next day. "24:00" is the end of the day.' })
})

const budget = Schema.Struct({
  tick: key(size, "Reclaim at most this much in one tick."),
  minute: key(size, "Reclaim at most this much in any 60 s."),
  cpu: key(percent, "Spend at most this share of one CPU on reclaiming, over a minute.")
})

const text = Schema.Union([Schema.String, Schema.Finite])
const annotations = Schema.Struct({
  policies: key(Schema.Array(Schema.String), "Policies that `wmo.dev/policy` may choose."),
  settings: key(
    Schema.Record(
      Schema.String,
      Schema.Struct({
        from: text.annotateKey({ description: "The least that may be asked for." }),
        to: text.annotateKey({ description: "The most." })
      })
    ),
    "Settings that `wmo.dev/set.NAME` may set, each with a range."
  )
})

/** What may be said of all groups, and again by any rule. */
const bodyFields = {
  policy: key(Schema.String, "What decides: see `wmo policy list`, or a policy of `policies`."),
  settings: key(
    Schema.Record(Schema.String, Schema.Union([Schema.String, Schema.Finite, Schema.Boolean])),
    "Settings of the policy: see `wmo policy show NAME`."
  ),
  floor: key(size, "Leave the group at least this much."),
  budget: key(budget, "What reclaiming may take at most."),
  protect: key(Schema.Boolean, "Leave the group, what is below it and what is above it alone; false lets a Guaranteed pod be acted on."),
  schedule: key(Schema.Array(window), "When the policy acts; always by default."),
  annotations: key(annotations, "What pods may say of themselves by annotations (takes `pods`); nothing by default.")
}

const kubernetes = Schema.Struct({
  qos: key(listOf(Schema.Literals(qosClasses)), "The pod's QoS class."),
  namespace: key(Schema.NonEmptyString, "A glob over the pod's namespace; takes `pods`."),
  pod: key(Schema.NonEmptyString, "A glob over the pod's name (takes `pods`) or its uid."),
  labels: key(Schema.Record(Schema.String, Schema.NonEmptyString), "Labels of the pod, each with a glob; takes `pods`."),
  annotations: key(Schema.Record(Schema.String, Schema.NonEmptyString), "Annotations of the pod, each with a glob; takes `pods`."),
  container: key(Schema.NonEmptyString, "Act on containers, not on pods: a glob over a container's name (takes `pods`) or its id.")
})

const rule = Schema.Struct({
  match: key(
    listOf(Schema.NonEmptyString),
    "Globs over paths below the cgroup mount: `system.slice/*.service`; `*` stays within a component, `**` does not."
  ),
  kubernetes: key(kubernetes, "Picks groups of Kubernetes pods; all that is named must hold."),
  ...bodyFields
})

export const ConfigFile = Schema.Struct({
  every: key(time, "Time between two looks at a group (default 1s)."),
  idle_every: key(
    Schema.Union([off, time]),
    "Time between two looks at a group in which nothing moves, at most; a glance at every tick sees whether something does (default: 8 times `every`; off: every tick is a look)."
  ),
  self: key(
    Schema.Struct({
      cpu: key(
        Schema.Union([off, percent]),
        "Share of one CPU that wmod itself may take (default 10%): above it, ticks are taken less often."
      ),
      memory: key(Schema.Union([off, size]), "Resident memory of wmod (default 150M): above it, histories of groups are not kept.")
    }),
    "What wmod itself may take."
  ),
  dry_run: key(Schema.Boolean, "Decide, record and show, but change nothing."),
  defaults: key(Schema.Struct(bodyFields), "What holds for all groups that a rule picks, unless the rule says otherwise."),
  rules: key(Schema.Array(rule), "Which groups are looked after, and how. Later rules override earlier ones in what they name."),
  protected: key(Schema.Array(Schema.NonEmptyString), "Globs of groups that are never touched, with all below and above them."),
  emergency_stop: key(
    Schema.Union([
      off,
      Schema.Struct({
        pressure: key(percent, "Stop when some task was stalled on memory for more than this share of a tick (default 40%)."),
        available: key(
          Schema.Union([Schema.String, Schema.Finite]),
          "Stop when less memory is available: a size, or a share of all (default 2%)."
        ),
        resume_after: key(time, "Go on after so much time without either (default 1m).")
      })
    ]),
    "When everything stops and is put back, within one tick."
  ),
  recording: key(
    Schema.Union([
      off,
      Schema.Struct({
        directory: Schema.NonEmptyString.annotateKey({ description: "Where recordings go; made if it is not there." }),
        keep_for: key(time, "Remove files whose last moment is longer ago (default 7d)."),
        keep_size: key(size, "Remove the oldest files while all take more (default 1G).")
      })
    ]),
    "What was seen, decided and done (default off)."
  ),
  state_directory: key(Schema.NonEmptyString, "Where the journal is: what undoes changes after a crash (default /run/wmo)."),
  server: key(
    Schema.Struct({
      socket: key(Schema.NonEmptyString, "The control socket, for its owner alone (default wmod.sock in the state directory)."),
      http: key(Schema.String, "Address of the page, /metrics and /healthz, or off (default 127.0.0.1:9273)."),
      names: key(
        Schema.Array(Schema.NonEmptyString),
        "Names by which HTTP may be asked, beside localhost, addresses and the machine's own name; others are refused."
      )
    }),
    "Where wmod can be asked."
  ),
  pods: key(
    Schema.Union([
      Schema.NonEmptyString,
      Schema.Struct({
        url: Schema.NonEmptyString.annotateKey({
          description:
            "Where a list of pods is had: the API server's, or the kubelet's /pods. ${NAME} in it is a variable of the environment."
        }),
        token_file: key(Schema.NonEmptyString, "A file with the bearer token, read for each request."),
        ca_file: key(Schema.NonEmptyString, "Certificates that the server's is checked against (default: the system's)."),
        interval: key(time, "Time between two requests (default 30s).")
      })
    ]),
    "Names, labels and annotations of pods: a file with a list of pods (JSON, a v1.PodList), read again when it changes, or a server."
  ),
  policies: key(Schema.Array(Schema.NonEmptyString), "Modules with further policies: a path (beside this file) or a package's name."),
  monitors: key(
    Schema.Array(
      Schema.Union([
        Schema.NonEmptyString,
        Schema.Struct({
          module: Schema.NonEmptyString.annotateKey({ description: "A path (beside this file) or a package's name." }),
          every: key(time, "Time between two samples (default 10s).")
        })
      ])
    ),
    "Modules with monitors of third parties, whose samples are recorded and shown by /metrics."
  )
}).annotate({ title: "wmod", description: "Configuration of wmod, the daemon of Workload Memory Optimization." })

export type ConfigFile = typeof ConfigFile.Type
