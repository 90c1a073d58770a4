"""Prices and costs as data, each with its source and date, and margins from them.

prices      what a second of video costs: list prices of providers, and the operator's own
costs       what an hour of hardware and a second at a provider cost the operator
entries     what both books have in common: dates, staleness, missing prices
margins     revenue less cost by clip, tenant, model and hardware
"""
