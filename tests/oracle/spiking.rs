//! Programs with time, drawn at random: sources, neurons of own equations, every pattern of connection, plasticity, phases.

use std::collections::BTreeSet;

use crate::dice::Dice;

/// Blocks that programs choose from, beside those of the library.
const BLOCKS: &str = "
use std.neuron.{adex, izhikevich, lif, lif_cond, poisson}
use std.synapse.{alpha, alpha_cond, delta, exp_cond, exp_current}
use std.plasticity.{stdp, stdp_soft, stdp_triplet}
use std.code.{count, filtered, latency, threshold}

synapse depressing(tau: time = 100 ms, start: real = 0.6, used: real = 0.4) {
    state r: real = start
    r' = (1 - r) / tau
    on pre { post.v += w * r; r -= used * r }
}
synapse facilitating(tau: time = 20 ms, tau_g: time = 4 ms) {
    trace u: real, tau on pre { u += 0.2 }
    state g: current = 0 pA
    g' = -g / tau_g
    on pre { g += w * u }
    current = g
}
synapse towards(reversal: voltage = 0 mV) {
    on pre { post.v += w / 10 mV * (reversal - post.v) / 10 }
}
synapse unreliable(p: real = 0.5) {
    on pre { post.v += if uniform(0, 1) < p then w else 0 * w }
}
synapse counting { state n: real = 0; on pre { n += 1; post.v += w * min(n, 5) } }
synapse silent { }
synapse tiring { on pre { post.v += w; pre.v -= w / 4 + (post.v - pre.v) / 100 } }
synapse gap { on pre { post.v += w * clamp((pre.v - post.v) / 10 mV, -1, 1) } }
synapse worn(tau: time = 30 ms) {
    state r: real = uniform(0.3, 0.9)
    state scale: real = uniform(0.5, 1.5)
    r' = (1 - r) / tau
    on pre { post.v += w * r * scale; r = 0.7 * r }
}

plasticity pre_first(tau: time = 10 ms, w_max: weight) {
    on pre { w += 0.01 * w_max * y }
    trace x: real, tau on pre { x = 1 }
    trace y: real, 15 ms on post { y += 1 - 0.3 * y }
    on post { w -= 0.02 * w * x; w += 0.001 * w_max }
    w in 0..w_max
}
plasticity voltage(w_max: weight, theta: voltage = -55 mV) {
    trace x: real, 12 ms on pre { x += 1 }
    on pre { w += 0.001 * w_max * clamp((post.v - theta) / 1 mV, -3, 3) }
    on post { w += 0.01 * w_max * x }
    w in 0..w_max
}
plasticity pushed(w_max: weight) {
    trace y: real, 8 ms on post { y += 1 }
    on pre { w += 0.01 * w_max * y * clamp((post.v + 60 mV) / 5 mV, -1, 1) }
    on post { post.v -= 0.5 mV; w -= 0.001 * w_max * y }
    w in 0..w_max
}
plasticity decaying(w_max: weight) {
    on pre { w = w - 0.05 * w }
    on post { w += 0.03 * w_max }
}
";

/// What a synapse's weight is measured in.
#[derive(Clone, Copy, PartialEq)]
enum Weight {
    Voltage,
    Current,
    Conductance,
}

/// A program being written.
struct Writer<'d> {
    dice: &'d mut Dice,
    blocks: String,
    body: String,
    /// Populations that spike, those that can be targets, and how many each has.
    sources: Vec<(String, usize)>,
    targets: Vec<(String, usize)>,
    given: usize,
    shown: usize,
    outputs: Vec<(String, usize)>,
    joined: BTreeSet<(String, String)>,
}

/// A program with one experiment.
pub fn program(dice: &mut Dice) -> String {
    let mut writer = Writer {
        dice,
        blocks: String::new(),
        body: String::new(),
        sources: Vec::new(),
        targets: Vec::new(),
        given: 0,
        shown: 0,
        outputs: Vec::new(),
        joined: BTreeSet::new(),
    };
    writer.network();
    writer.whole()
}

impl Writer<'_> {
    fn line(&mut self, line: impl AsRef<str>) {
        self.body += &format!("    {}\n", line.as_ref());
    }

    fn whole(mut self) -> String {
        let mut ports = Vec::new();
        if self.given > 0 {
            ports.push(format!("s: spikes[{}]", self.given));
        }
        if self.shown > 0 {
            ports.push(format!("x: real[{}]", self.shown));
        }
        let outputs: Vec<String> = self.outputs.iter().map(|(name, len)| format!("{name}: real[{len}]")).collect();
        let outputs = if outputs.is_empty() { String::new() } else { format!(" -> ({})", outputs.join(", ")) };
        let step = self.dice.one(&[0.1, 0.1, 0.05, 0.25]);
        let phases = self.phases(step);
        format!(
            "{BLOCKS}{}\nnetwork net({}){outputs} {{\n{}}}\nexperiment e {{\n    deploy net {{ step: {step} ms }}\n{phases}}}\n",
            self.blocks,
            ports.join(", "),
            self.body
        )
    }

    fn phases(&mut self, step: f64) -> String {
        let mut text = String::new();
        for phase in 0..1 + self.dice.below(3) {
            let steps = 30 + self.dice.below(120);
            let time = format!("{} ms", (steps as f64 * step * 1e6).round() / 1e6);
            if self.given == 0 && self.shown > 0 && self.dice.once_in(3) {
                let sequence = self.dice.one(&["", " sequence"]);
                let samples = 1 + self.dice.below(3);
                let data = self.dice.matrix(samples, self.shown);
                let measure = match self.outputs.first() {
                    Some((output, _)) => format!(" measure m{phase} = mean({output})"),
                    None => continue,
                };
                text += &format!("    test{sequence} {{ x: {data} }} for {time}{measure}\n");
                continue;
            }
            let mut fields = Vec::new();
            if self.given > 0 {
                let count = self.dice.below(30);
                let mut spikes: Vec<(usize, usize)> =
                    (0..count).map(|_| (self.dice.below(steps), self.dice.below(self.given))).collect();
                if count > 3 {
                    // One that spikes several times in a step.
                    spikes[1] = spikes[0];
                    spikes[2] = spikes[0];
                }
                spikes.push((0, 0));
                let list = |of: &dyn Fn(&(usize, usize)) -> usize| {
                    spikes.iter().map(|spike| of(spike).to_string()).collect::<Vec<_>>().join(", ")
                };
                fields.push(format!("s: spikes([{}], [{}])", list(&|spike| spike.1), list(&|spike| spike.0)));
            }
            if self.shown > 0 {
                fields.push(format!("x: {}", self.dice.matrix(1, self.shown)));
            }
            if phase > 0 && self.dice.once_in(3) {
                fields.push(String::from("restart: true"));
            }
            text += &format!("    run for {time} {{ {} }}\n", fields.join(", "));
        }
        if text.is_empty() {
            text = format!("    run for {} ms {{ x: {} }}\n", 100.0 * step, self.dice.matrix(1, self.shown));
        }
        text
    }

    fn network(&mut self) {
        if self.dice.once_in(2) {
            self.given = 1 + self.dice.below(4);
            self.sources.push((String::from("s"), self.given));
            self.line("probe s");
        }
        if self.dice.once_in(2) {
            self.shown = 1 + self.dice.below(3);
        }
        if self.dice.below(3) > 0 || self.given == 0 {
            let (len, rate) = (1 + self.dice.below(5), self.dice.one(&["150 Hz", "800 Hz", "12 kHz", "30 kHz"]));
            self.line(format!("population noise: poisson[{len}](rate: {rate})"));
            self.line("probe noise.spikes");
            self.sources.push((String::from("noise"), len));
        }
        if self.shown > 0 && self.dice.once_in(2) {
            let encoder = self.dice.one(&["latency(window: 5 ms)", "threshold(theta: 0.1)"]);
            self.line(format!("coded = x |> {encoder}"));
            self.sources.push((String::from("coded"), self.shown));
        }
        for index in 0..1 + self.dice.below(2) {
            self.population(index);
        }
        for index in 0..1 + self.dice.below(4) {
            self.connection(index);
        }
        self.signals();
    }

    fn population(&mut self, index: usize) {
        let (name, len) = (format!("p{index}"), 1 + self.dice.below(4));
        let kind = self.dice.below(9);
        let made = match kind {
            0 => format!("lif{{len}}(bias: {} nA, tau_m: {})", self.dice.number(0.05, 0.2), self.time(8.0, 20.0)),
            1 => format!("lif_cond{{len}}(tau_m: {})", self.time(8.0, 20.0)),
            2 => String::from("adex{len}(bias: 700 pA)"),
            3 => format!("izhikevich{{len}}(bias: {} pA)", self.dice.number(2.0, 12.0)),
            _ => {
                self.neuron(index);
                format!("cell{index}{{len}}()")
            }
        };
        self.line(format!("population {name}: {}", made.replace("{len}", &format!("[{len}]"))));
        self.line(format!("probe {name}.spikes"));
        let every = self.dice.one(&["", " every 1 ms", " every 0.5 ms"]);
        self.line(format!("probe {name}.v{every}"));
        self.targets.push((name.clone(), len));
        self.sources.push((name, len));
    }

    /// A time, which may be one for each element.
    fn time(&mut self, low: f64, high: f64) -> String {
        match self.dice.below(3) {
            0 => format!("uniform({low} ms, {high} ms)"),
            _ => format!("{} ms", self.dice.number(low, high)),
        }
    }

    /// A neuron of own equations with a membrane `v`, a current `i`, and perhaps more.
    fn neuron(&mut self, index: usize) {
        let (tau, rest, drive) = (self.time(3.0, 15.0), self.dice.number(-66.0, -58.0), self.dice.number(4.0, 25.0));
        let mut lines = vec![
            String::from("input i: current"),
            format!("state v: voltage = {}", self.dice.one(&["-60 mV", "uniform(-66 mV, -52 mV)", "rest + 2 mV"])),
        ];
        let mut inside = format!("rest - v + drive + {}", self.dice.one(&["i * 100 Mohm", "i / 10 nS"]));
        let mut reset = vec![
            self.dice.one(&["v = -64 mV", "v -= 9 mV", "v = rest - 3 mV", "v = -64 mV + i * 10 Mohm"]).to_string(),
        ];
        if self.dice.once_in(2) {
            lines.push(String::from("state u: voltage = 0 mV"));
            lines.push(match self.dice.below(3) {
                0 => String::from("u' = -u / 13 ms"),
                1 => String::from("u' = (0.3 * (v - rest) - u) / 21 ms"),
                _ => String::from("u' = (0.2 * max(v - rest, 0 mV) - u) / 17 ms"),
            });
            inside += " - u";
            reset.push(String::from("u += 1.5 mV"));
            if self.dice.once_in(3) {
                lines.push(String::from("u in 0 mV..4 mV"));
            }
        }
        match self.dice.below(6) {
            0 => inside += " + 3 mV * sin(t / 2 ms)",
            1 => inside += " + 0.01 * (v - rest) * (v - rest) / 1 mV",
            2 => inside += " + 1 mV * exp(min((v + 52 mV) / 3 mV, 2))",
            _ => {}
        }
        let slope = format!("({inside}) / tau");
        lines.push(format!("v' = {slope}"));
        let mut condition = String::from("v > -50.3 mV");
        if self.dice.once_in(3) {
            lines.push(String::from("state theta: voltage = -50.7 mV"));
            lines.push(String::from("theta' = (-50.7 mV - theta) / 9 ms"));
            condition = String::from("v > theta");
            reset.push(String::from("theta += 2.3 mV"));
        }
        if self.dice.below(3) > 0 {
            let times = ["2 ms", "0.5 ms", "refractory"];
            reset.push(format!("hold v for {}", self.dice.one(&times)));
            if inside.ends_with("- u") && self.dice.once_in(3) {
                reset.push(format!("hold u for {}", self.dice.one(&times)));
            }
        }
        if self.dice.once_in(4) {
            lines.push(String::from("state seen: real = 0"));
            reset.push(String::from("seen += 1"));
        }
        if self.dice.once_in(4) {
            lines.push(String::from("state low: real = 0"));
            let change =
                self.dice.one(&["low += 1", "low += 1; v += 0.1 mV", "low = low + v / 1 V; v -= 0.05 mV * low"]);
            lines.push(format!(
                "when {} {{ {change} }}",
                self.dice.one(&["v < rest - 1 mV", "v > rest + 4 mV and low < 9"])
            ));
        }
        // Without a reset it fires when the condition becomes true.
        if self.dice.once_in(8) {
            reset.clear();
        }
        let refractory = self.dice.one(&["1.3 ms", "uniform(0.2 ms, 2 ms)"]);
        let method = self.dice.one(&["", "", "", "", "method: rk4", "method: euler"]);
        lines.push(method.to_string());
        lines.push(format!("spike when {condition} {{ {} }}", reset.join("; ")));
        lines.retain(|line| !line.is_empty());
        self.blocks += &format!(
            "\nneuron cell{index}(tau: time = {tau}, rest: voltage = {rest} mV, drive: voltage = {drive} mV, refractory: time = {refractory}) {{\n    {}\n}}\n",
            lines.join("\n    ")
        );
    }

    fn connection(&mut self, index: usize) {
        let (source, sources) = self.sources[self.dice.below(self.sources.len())].clone();
        let (target, targets) = self.targets[self.dice.below(self.targets.len())].clone();
        // A connection is known by its ends.
        if !self.joined.insert((source.clone(), target.clone())) {
            return;
        }
        let (from, sources) = self.part(&source, sources);
        let (to, targets) = self.part(&target, targets);
        let itself = if source == target { self.dice.one(&["", "itself: false"]) } else { "" };
        let comma = if itself.is_empty() { "" } else { ", " };
        let (synapse, kind, state) = self.dice.one(&[
            ("delta()", Weight::Voltage, ""),
            ("delta()", Weight::Voltage, ""),
            ("exp_current(tau: 3 ms)", Weight::Current, "i"),
            ("exp_current(tau: 7 ms)", Weight::Current, "i"),
            ("exp_cond(tau: 4 ms, reversal: 0 mV)", Weight::Conductance, "g"),
            ("exp_cond(tau: 6 ms, reversal: -75 mV)", Weight::Conductance, "g"),
            ("alpha(tau: 2 ms)", Weight::Current, "rise"),
            ("alpha_cond(tau: 2.5 ms, reversal: -10 mV)", Weight::Conductance, "g"),
            ("depressing()", Weight::Voltage, ""),
            ("facilitating()", Weight::Current, "g"),
            ("towards()", Weight::Voltage, ""),
            ("unreliable()", Weight::Voltage, ""),
            ("counting()", Weight::Voltage, ""),
            ("silent()", Weight::Voltage, ""),
            ("worn()", Weight::Voltage, ""),
            ("gap()", Weight::Voltage, ""),
            ("tiring()", Weight::Voltage, ""),
        ]);
        let reads_source = matches!(synapse, "gap()" | "tiring()");
        let synapse = if reads_source && !source.starts_with('p') { "towards()" } else { synapse };
        let (low, high, unit) = match kind {
            Weight::Voltage => (0.3, 3.0, "mV"),
            Weight::Current => (10.0, 60.0, "pA"),
            Weight::Conductance => (0.5, 5.0, "nS"),
        };
        let draws_apart = synapse.starts_with("towards") || synapse.starts_with("gap");
        let sign = if kind != Weight::Conductance && !draws_apart && self.dice.once_in(5) { -1.0 } else { 1.0 };
        let plastic = self.dice.once_in(3) && sign > 0.0 && !synapse.starts_with("unreliable");
        let mut pattern = match self.dice.below(8) {
            0 => format!("all_to_all({itself})"),
            1 if sources == targets => String::from("one_to_one"),
            2 => format!("random(p: {}{comma}{itself})", self.dice.one(&["40 %", "80 %"])),
            3 => format!("fixed_in_degree({}{comma}{itself})", 1 + self.dice.below(sources)),
            4 => {
                let count = 1 + self.dice.below(6);
                let mut pairs: Vec<(usize, usize)> =
                    (0..count).map(|_| (self.dice.below(sources), self.dice.below(targets))).collect();
                pairs.sort_unstable();
                let list = |of: &dyn Fn(&(usize, usize)) -> usize| {
                    pairs.iter().map(|pair| of(pair).to_string()).collect::<Vec<_>>().join(", ")
                };
                format!("list(sources: [{}], targets: [{}])", list(&|pair| pair.0), list(&|pair| pair.1))
            }
            5 if sources * targets > 1 => {
                format!("fixed_total_number({}{comma}{itself})", self.dice.below(2 * sources * targets))
            }
            6 => format!("fixed_out_degree({}{comma}{itself})", 1 + self.dice.below(targets)),
            _ => String::from("matrix"),
        };
        pattern = pattern.replace("all_to_all()", "all_to_all");
        let number = self.dice.number(low, high) * sign;
        let weight = match (pattern.as_str(), self.dice.below(5)) {
            ("matrix", _) => format!("{} * {number} {unit}", self.sparse(sources, targets)),
            (_, 0) if sign < 0.0 => format!("uniform({} {unit}, {} {unit})", -high, -low),
            (_, 0) => format!("uniform({low} {unit}, {high} {unit})"),
            (_, 1) => format!("{number} {unit} + {} {unit} * i + {} {unit} * j", low * 0.2, low * 0.1),
            (_, 2) if sign > 0.0 => format!("clamp(normal({number} {unit}, {low} {unit}), 0 {unit}, {high} {unit})"),
            (_, _) => format!("{number} {unit}"),
        };
        let delay = match self.dice.below(7) {
            0 => String::from("0 ms"),
            1 => String::from("uniform(0 ms, 3 ms)"),
            2 => String::from("1 ms * i"),
            3 => String::from("clamp(normal(1 ms, 0.7 ms), 0 ms, 2 ms)"),
            4 => String::from("normal(1 ms, 0.8 ms, 0.1 ms, 4 ms)"),
            _ => format!("{} ms", self.dice.one(&[0.5, 1.0, 2.0])),
        };
        let mut fields =
            vec![format!("pattern: {pattern}"), format!("synapse: {synapse}"), format!("weight: {weight}")];
        fields.push(format!("delay: {delay}"));
        let name = format!("c{index}");
        let (mut traced, varied) = (false, delay.contains('(') || delay.ends_with('i'));
        if plastic {
            let most = format!("{} {unit}", high * 1.3);
            let rule =
                self.dice.one(&["stdp", "stdp_soft", "stdp_triplet", "pre_first", "voltage", "decaying", "pushed"]);
            fields.push(format!("plasticity: {rule}(w_max: {most})"));
            // Where delays differ, traces are kept at synapses, which are not recorded.
            traced = !varied && rule != "decaying" && rule != "pushed";
        }
        self.line(format!("connect {name}: {from} -> {to} {{ {} }}", fields.join(", ")));
        if traced {
            self.line(format!("probe {name}.x"));
        }
        if plastic || self.dice.once_in(3) {
            let every = self.dice.one(&["", " every 2 ms"]);
            self.line(format!("probe {name}.w{every}"));
        }
        if !state.is_empty() && self.dice.once_in(2) {
            self.line(format!("probe {name}.{state}"));
        }
    }

    /// Weights of which some are 0.
    fn sparse(&mut self, rows: usize, cols: usize) -> String {
        let row = |dice: &mut Dice| {
            let values: Vec<&str> = (0..cols).map(|_| dice.one(&["0", "1", "0.5", "0.8", "1.1"])).collect();
            format!("[{}]", values.join(", "))
        };
        let rows: Vec<String> = (0..rows).map(|_| row(self.dice)).collect();
        format!("[{}]", rows.join(", "))
    }

    /// The whole of a population, or some of it.
    fn part(&mut self, name: &str, len: usize) -> (String, usize) {
        if len > 1 && name != "s" && name != "coded" && self.dice.once_in(4) {
            let first = self.dice.below(len - 1);
            return (format!("{name}[{first}..{len}]"), len - first);
        }
        (name.to_string(), len)
    }

    /// What drives inputs, and what comes out.
    fn signals(&mut self) {
        let (target, len) = self.targets[0].clone();
        if self.shown > 0 {
            let shape = self.dice.matrix(len, self.shown);
            let function = self.dice.one(&["", " |> relu", " |> tanh"]);
            self.line(format!("x |> dense({shape}){function} |> scale(0.1 nA) -> {target}.i"));
        } else if self.dice.once_in(3) && self.targets.len() > 1 {
            let (from, count) = self.targets[1].clone();
            let shape = self.dice.matrix(len, count);
            self.line(format!("{from}.v |> scale(1 / 60 mV) |> dense({shape}) |> scale(0.05 nA) -> {target}.i"));
        }
        let (last, count) = self.targets[self.targets.len() - 1].clone();
        match self.dice.below(4) {
            0 => {
                let first = self.dice.below(count);
                self.line(format!("{last}[{first}..{count}] |> count -> y"));
                self.outputs.push((String::from("y"), count - first));
                self.line(format!("concat({target}.v, {last}.v) / 1 mV + 0.5 -> z"));
                self.outputs.push((String::from("z"), len + count));
            }
            1 => {
                self.line(format!("{last} |> filtered(tau: 6 ms) |> scale(2) -> y"));
                self.outputs.push((String::from("y"), count));
            }
            2 => {
                let shape = self.dice.matrix(2, count);
                self.line(format!("{last}.v |> scale(1 / 1 mV) |> dense({shape}, bias: [0.5, -1]) -> y"));
                self.outputs.push((String::from("y"), 2));
            }
            _ => {}
        }
    }
}
