"""The relay network: contact plan, routes over it, bundles, custody and the process that runs them."""
