"""Where answers meet pictures: the only place that knows both what a method or an analysis gave and how it is drawn."""
