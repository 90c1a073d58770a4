"""How many machines a load needs: waits by formula, and the cheapest fleet that meets a target.

queueing    waits of many servers with one queue, by formula
fleet       classes of hardware, spot machines, and what a mix of them can do
plan        the cheapest fleet, and a table of waits by its size
question    a question of a command or a request, and its answer
simulation  the same queue clip by clip on a virtual clock, which the formulas are checked against
"""
