"""The methods room: one file per method, a registry, the networks and the weighted-BC core they share.

Nothing here may import labels, the simulator or the evaluation: learners see stripped trajectories only.
"""
