//! Words of other tools, and what is written here in their place.

/// Words, and what to write.
const WORDS: &[(&[&str], &str)] = &[
    // Functions.
    (&["rand", "random"], "`uniform(0, 1)`"),
    (&["randn"], "`normal(0, 1)`"),
    (&["lognormal"], "`exp(normal(mean, sigma))`"),
    (&["int"], "`pulse(condition)`, which is 1 where it holds, or `floor(x)`"),
    (&["ln"], "`log(x)`"),
    (&["pow"], "`x^2`"),
    // Units.
    (&["msec", "msecs", "millisecond", "milliseconds"], "`ms`"),
    (&["sec", "second", "seconds"], "`s`"),
    (&["usec", "microsecond", "microseconds"], "`us`"),
    (&["mvolt", "millivolt", "millivolts"], "`mV`"),
    (&["namp", "nanoampere"], "`nA`"),
    (&["pamp", "picoampere"], "`pA`"),
    (&["nsiemens", "nanosiemens"], "`nS`"),
    (&["hertz"], "`Hz`"),
    // Sources and neurons.
    (
        &["PoissonGroup", "PoissonInput", "poisson_generator"],
        "`use std.neuron.poisson`, `population s: poisson[10](rate: 50 Hz)`",
    ),
    (
        &["SpikeGeneratorGroup", "spike_generator"],
        "`network net(s: spikes[10])`, and give it `s: spikes([0, 1], [2, 5])`",
    ),
    (&["NeuronGroup"], "`neuron cell() { … }`, `population a: cell[10]()`"),
    (&["threshold", "reset"], "`spike when v > -50 mV { v = -70 mV }`"),
    (&["refractory"], "`hold v for 5 ms` in the braces of `spike when … { … }`"),
    // Patterns.
    (&["pairwise_bernoulli"], "`random(p: 10 %)`"),
];

/// What is written here for a word of another tool, as help.
pub fn instead(word: &str) -> Option<String> {
    let (_, written) = WORDS.iter().find(|(words, _)| words.contains(&word))?;
    Some(format!("write {written}"))
}
