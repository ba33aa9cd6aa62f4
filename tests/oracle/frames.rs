//! Frame networks and chips drawn at random: ideal ones, and ones whose cells, converters and units are not.

use crate::dice::Dice;

/// A program whose experiments differ only in their chip: a network on none, and on one. `real`: nothing on the chip is ideal.
pub fn program(dice: &mut Dice, real: bool) -> String {
    let (rows, columns) = (1 + dice.below(12), if real { 5 } else { 3 } + dice.below(20));
    let mut weights = dice.one(&["differential", "reference"]).to_string();
    let mut input = dice.one(&["ideal", "ideal or voltage", "ideal or voltage"]);
    let mut sense = dice.one(&["ideal", "ideal or current", "ideal or current"]);
    let mut cell = String::from("levels: ideal");
    let (mut sharing, mut more) = ("", String::new());
    let (mut ranges, mut scaling, mut compensate) = ("", "", "");
    if real {
        input = dice.one(&["dac(bits: 6)", "dac(bits: 8) or voltage", "width(bits: 5)", "dac(bits: 3) or voltage"]);
        sense = dice.one(&["sar(bits: 7)", "sar(bits: 6) or current", "sar(bits: 9) or current"]);
        sharing = dice.one(&["", "sharing: 4; "]);
        cell = format!("levels: {}", dice.one(&["ideal", "16", "64"]));
        cell += dice.one(&[
            "",
            "; noise programming: normal(0, 2 % of range)",
            "; faults: [stuck_on(2 %), stuck_off(5 %)]",
        ]);
        cell += "; programming: write_verify(pulses: 8, pulse_energy: 1 pJ)";
        if dice.once_in(4) {
            weights = format!("offset; slices: {}", dice.one(&[2, 3]));
            cell = cell.replace("ideal", "8").replace("64", "4");
            if dice.once_in(2) {
                input = dice.one(&["bit_serial(dac(bits: 1), bits: 5)", "bit_serial(dac(bits: 1), bits: 8)"]);
            }
        } else if dice.once_in(8) {
            input = "bit_serial(dac(bits: 1), bits: 5)";
        }
        let digits = weights.contains("slices") || input.starts_with("bit_serial");
        let of_digits = dice.one(&["", "", "; range: 40 uA", "; range: 250 uA"]);
        let range = if digits { of_digits } else { dice.one(&["", "", "", "; range: 20 uA", "; range: 1.3"]) };
        if !digits {
            ranges = dice.one(&["", "", "ranges: layer; ", "ranges: column; "]);
        }
        if !sense.contains("current") {
            scaling = dice.one(&["", "scaling: array; ", "scaling: column; "]);
        }
        compensate = dice.one(&["", "", "compensate: converters; "]);
        more = format!(
            "converter dac(bits: int = 8): bits(bits) -> voltage {{ energy: 0.5 pJ; area: 40 um2; time: 1 ns{}{} }}
converter width(bits: int = 4): bits(bits) -> pulse {{ energy: 0.1 pJ; area: 20 um2; time: 1 ns * 2^bits }}
converter sar(bits: int = 8): current -> bits(bits) {{ energy: 2 pJ * 2^(bits - 8); area: 1200 um2; time: 1 ns * bits{range}{}{} }}
converter flash(bits: int = 8): voltage -> bits(bits) {{ energy: 1 pJ; area: 200 um2; time: 2 ns }}
converter integrator: current -> charge {{ energy: 3 fJ; area: 30 um2; time: 3 ns }}
converter reader(bits: int = 7): charge -> bits(bits) {{ energy: 0.9 pJ; area: 300 um2; time: 4 ns }}\n",
            dice.one(&["", "; gain_error: 1.037 %", "; gain_error: -1.291 %"]),
            if digits { "" } else { dice.one(&["", "; inl: 0.4371", "; range: 0.917"]) },
            match digits {
                // Digits and bits give whole numbers, which would lie between two levels.
                true => dice.one(&["; offset: 0.2731", "; offset: -0.2917", "; gain_error: 1.937 %; offset: 0.2113"]),
                false => dice.one(&["", "; offset: 0.2731", "; gain_error: -1.937 %; offset: -0.2113"]),
            },
            dice.one(&["", "; inl: 0.6173", "; inl: -1.3171"]),
        );
    }
    let arrays = dice.one(&[1, 2, 4, 16]) * if weights.contains("slices") { 3 } else { 1 };
    let lines = dice.one(&["", "lines: voltage, current; ", "lines: voltage, current; "]);
    let links = match dice.below(3) {
        0 => dice.one(&[
            "; links: neighbours(carries: voltage, energy: 5 fJ, time: 2 ns)",
            "; links: neighbours(carries: current, energy: 7 fJ, time: 1 ns)",
        ]),
        _ => "",
    };
    // Enough of them for any layer, or not.
    let least = if real || !links.is_empty() { 14 } else { 1 };
    let (rectifiers, adders, logic) = (least + dice.below(40), least + dice.below(40), 1 + dice.below(8));
    let (width, height) = dice.one(&[(24, 20), (30, 10), (10, 30)]);
    let everywhere = dice.one(&["", "", "", "convert: everywhere"]);
    let objective = dice.one(&["energy", "energy", "time", "area"]);
    let (inputs, mut len, mut body) = match dice.once_in(3) {
        true => convolution(dice),
        false => {
            let inputs = 1 + dice.below(14);
            (inputs, inputs, String::from("x"))
        }
    };
    for _ in 0..1 + dice.below(3) {
        let outputs = 1 + dice.below(14);
        let bias = if dice.below(2) == 0 { format!(", bias: {}", dice.vector(outputs)) } else { String::new() };
        body += &format!(" |> dense({}{bias})", dice.matrix(outputs, len));
        body += dice.one(&["", " |> relu", " |> relu", " |> tanh", " |> sigmoid", " |> scale(0.5)"]);
        len = outputs;
    }
    let number = |dice: &mut Dice| if real { dice.number(-1.0, 1.0) } else { dice.below(201) as f64 / 100.0 - 1.0 };
    let samples: Vec<String> = (0..3)
        .map(|_| {
            let row: Vec<String> = (0..inputs).map(|_| number(dice).to_string()).collect();
            format!("[{}]", row.join(", "))
        })
        .collect();
    let samples = format!("[{}]", samples.join(", "));
    let on_wires = if real { "tia(), keeper(), dac(), flash(), integrator(), reader()" } else { "tia(), keeper()" };
    let rectifies = if real { dice.one(&["", "y = clamp(x, 0, 1); "]) } else { "" };
    let costly = if real { "row_energy: 5 fJ; " } else { "" };
    let buffer = if real { "buffer_energy: 20 fJ per bit; static_power: 0.1 mW; " } else { "" };
    format!(
        "
device cell {{ conductance: 1 uS .. 100 uS; {cell} }}
converter tia: current -> voltage {{ energy: 50 fJ; area: 50 um2; time: 5 ns }}
converter keeper: voltage -> voltage {{ energy: 1 fJ; area: 1 um2; time: 1 ns }}
{more}unit rectifier: voltage -> voltage {{ implements: relu; {rectifies}energy: 20 fJ; area: 30 um2; time: 5 ns }}
unit adder: current -> current {{ implements: sum; energy: 1 fJ; area: 5 um2; time: 1 ns }}
unit logic: bits(16) -> bits(16) {{ implements: any; energy: 0.1 pJ; area: 500 um2; time: 1 ns }}
tile array {{
    cells: cell[{rows}, {columns}]; weights: {weights}; input: {input}; sense: {sense}; {sharing}{ranges}{scaling}{costly}
    read_voltage: 0.2 V; read_time: 10 ns; wire: ideal; area: 100 um2
}}
core crossbars {{
    tiles: array[{arrays}]; {lines}units: [rectifier[{rectifiers}], adder[{adders}], logic[{logic}]]; buffer: 64 kB; {buffer}
}}
chip made {{
    cores: grid({width}, {height}) of crossbars; converters: [{on_wires}]
    network: mesh(flit: 32 bit, hop: 1 ns, energy: 1 pJ per bit)
    host: spi(energy: 5 pJ per bit){links}
}}
network net(x: real[{inputs}]) -> (y: real[{len}]) {{ {body} -> y }}
experiment exact {{ deploy net; test {{ x: {samples} }} measure m = mean(y) }}
experiment mapped {{ deploy net on made {{ minimise: {objective}; {compensate}{everywhere} }}; test {{ x: {samples} }} measure m = mean(y) }}
"
    )
}

/// The same program on arrays whose columns give voltages, where its weights are pairs and its inputs whole.
pub fn in_volts(text: &str, dice: &mut Dice) -> Option<String> {
    let first =
        text.find("sense: ").filter(|_| text.contains("weights: differential") && !text.contains("bit_serial"))?;
    let past = first + text[first..].find(';')?;
    let range = dice.one(&["", "", "; range: 20 mV", "; range: 90 mV", "; range: 0.8"]);
    let converter = format!(
        "converter volts(bits: int = 8): voltage -> bits(bits) {{ energy: 2 pJ; area: 1200 um2; time: 1 ns * bits{range} }}\nunit rectifier"
    );
    let sense = format!("sense: volts(bits: {}); normalises: true", dice.one(&[6, 8, 10]));
    let text = [&text[..first], &sense, &text[past..]].concat();
    Some(text.replacen("unit rectifier", &converter, 1).replace("cell[1, ", "cell[2, "))
}

/// A convolution and what pools it: elements of the input, of the output, and the text between.
fn convolution(dice: &mut Dice) -> (usize, usize, String) {
    let (channels, size, outputs, kernel) =
        (1 + dice.below(2), 3 + dice.below(3), 1 + dice.below(3), 1 + dice.below(3));
    let (stride, padding) = (1 + dice.below(2), dice.below(2));
    let each = (size + 2 * padding - kernel) / stride + 1;
    let images: Vec<String> = (0..outputs)
        .map(|_| {
            let of_channels: Vec<String> = (0..channels).map(|_| dice.matrix(kernel, kernel)).collect();
            format!("[{}]", of_channels.join(", "))
        })
        .collect();
    let bias = if dice.below(2) == 0 { format!(", bias: {}", dice.vector(outputs)) } else { String::new() };
    let layer = format!("conv2d([{}], stride: {stride}, padding: {padding}{bias})", images.join(", "));
    let (pooled, left) = match dice.below(3) {
        0 if each > 1 => (" |> max_pool(2, stride: 1)", each - 1),
        // Means of an odd number of levels lie between no two.
        1 if each > 2 => (" |> average_pool(3, stride: 1)", each - 2),
        _ => ("", each),
    };
    let body = format!("x |> reshape({channels}, {size}, {size}) |> {layer} |> relu{pooled} |> flatten");
    (channels * size * size, outputs * left * left, body)
}
