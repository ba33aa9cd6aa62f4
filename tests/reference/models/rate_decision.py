"""NEST's example rate_neuron_dm without noise."""
from nest_peer import *

fresh(0.01)
nest.use_wfr = False
cells = nest.Create("lin_rate_ipn", 2, {"lambda": 0.1, "sigma": 0.0, "tau": 1.0, "rectify_output": True})
for one, other in (cells[0], cells[1]), (cells[1], cells[0]):
    nest.Connect(one, other, "all_to_all", dict(synapse_model="rate_connection_instantaneous", weight=-0.2))
seen = nest.Create("multimeter", params=dict(interval=0.01, record_from=["rate"]))
nest.Connect(seen, cells, syn_spec=dict(delay=0.01))
nest.Simulate(100.0)
cells.mu = [1.004, 0.996]
nest.Simulate(100.0)
found = seen.events
for name, time in ("early", 120.01), ("middle", 150.01), ("late", 199.01):
    now = np.abs(found["times"] - time) < 1e-6
    for k, who in enumerate(["winner", "loser"]):
        same("decide", f"{who}_{name}", found["rate"][now & (found["senders"] == cells[k].global_id)][0], "rate")
