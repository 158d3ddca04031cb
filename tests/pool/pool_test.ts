/** The contract of the pool, with threads. */

import { poolContract } from "../contracts/pool_contract.ts";

poolContract("thread");
