"""When requests are due: arrivals, ramps, an alarm clock that is precise enough."""
