"""Quadratic integrate-and-fire and theta neurons under 20 inputs."""
from peer import *

defaultclock.dt = 0.05*ms
a = NeuronGroup(20, "dv/dt = (v**2 - 0.1 + 0.05*i)/(10*ms) : 1", threshold="v > 100", reset="v = -100", method="rk4")
a.v = -1
b = NeuronGroup(
    20, "dtheta/dt = (1 - cos(theta) + (1 + cos(theta))*(-0.1 + 0.05*i))/(10*ms) : 1",
    threshold="theta > pi", reset="theta -= 2*pi", method="rk4")
b.theta = -pi/2
first, second_ = SpikeMonitor(a), SpikeMonitor(b)
run(1*second)
same("second", "quadratic", times(first, 20))
same("second", "spikes.a", first.num_spikes)
same("second", "theta", times(second_, 20))
same("second", "spikes.b", second_.num_spikes)
same("second", "phase_end", np.mean(b.theta), "mean phase at the end", 1e-8)
