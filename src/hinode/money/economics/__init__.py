"""Does it pay? From recorded books, and by simulation of scenarios.

records     clips, attempts and workers of a period, read from the database
report      cost, revenue, margins, utilisation, re-rolls and break-even of a period
cohorts     what the accounts of each week went on to do
scenario    a scenario file: inputs, each with its range, source and date, and published figures
demand      the simulator: cohorts of users by day, their clips, what they cost and bring in
uncertainty the interval of a result, and the share of each input in it
levers      what brings the same demand to break-even
study       all of it for one scenario, as tables and charts
"""
